/** Whatever takes the packets that carry a certain connection ID. */
export interface Route {
  receive(datagram: Buffer, host: string, port: number): void;
}
