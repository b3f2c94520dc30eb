export { type StreamHalves, splitStream } from './split-stream.js';
export { StreamReader } from './stream-reader.js';
export { StreamWriter } from './stream-writer.js';
export { untilAborted, type WaitOptions } from './until-aborted.js';
export {
  toReadableStream,
  toWebStreams,
  toWritableStream,
  type WebReadableOptions,
  type WebWritableOptions,
} from './web-streams.js';
