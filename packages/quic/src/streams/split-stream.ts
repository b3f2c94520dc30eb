import type { BidiStream } from '../transport.js';
import { StreamReader } from './stream-reader.js';
import { StreamWriter } from './stream-writer.js';

export interface StreamHalves {
  readonly reader: StreamReader;
  readonly writer: StreamWriter;
}

/**
 * Both directions of a stream as objects of their own, so that two parts of a program can have one each. The stream is
 * over when both halves are: one read to its end or stopped, the other finished or reset. `first` are bytes that somebody
 * has read already.
 */
export function splitStream(stream: BidiStream, first?: Uint8Array): StreamHalves {
  return { reader: new StreamReader(stream, first), writer: new StreamWriter(stream) };
}
