const GOLDEN_RATIO = 0x9e3779b9;

/**
 * The 256 constants of the rolling hash. Part of the protocol: devices that cut differently find nothing in common.
 * gear[i] is the 32-bit finaliser of MurmurHash3 applied to (i + 1) · 0x9e3779b9, all modulo 2³².
 */
export const GEAR_TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, i) =>
  mix(Math.imul(i + 1, GOLDEN_RATIO)),
);

function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
