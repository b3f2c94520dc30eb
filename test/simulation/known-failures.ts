/** Seeds of histories that break a promise today, and why. Each goes when that is mended; nothing is added without a reason. */
export const KNOWN_FAILURES: ReadonlyMap<number, string> = new Map([]);
