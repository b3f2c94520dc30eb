import { type Fields, fieldMap } from './fields.js';
import type { Frame } from './frames.js';

/** How one type of frame is written as fields and read from them; methods, so that a table can hold all of them. */
export interface FrameCodec<F extends Frame = Frame> {
  write(frame: F): FieldList;
  /** Throws `WireError` for fields that are missing, of the wrong kind or beyond a limit. */
  read(fields: Fields): F;
}

export type FieldList = readonly (readonly [number, unknown])[];

export type FrameCodecs<T extends Frame['type']> = { readonly [K in T]: FrameCodec };

/** Ties write and read to one member of the union, and forgets which one, for the table. */
export function frameCodec<F extends Frame>(codec: FrameCodec<F>): FrameCodec {
  return codec as FrameCodec;
}

export { fieldMap };
