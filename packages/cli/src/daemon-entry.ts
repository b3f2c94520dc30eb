/** Loaded only by the commands that work without a running daemon: it brings SQLite, QUIC and the rest along. */
export function loadDaemon(): Promise<typeof import('@landropic/daemon')> {
  return import('@landropic/daemon');
}
