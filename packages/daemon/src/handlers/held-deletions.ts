import type { DeviceKey } from '../core/model/identifiers.js';
import type { HeldDeletions } from '../sync/deletion-guard.js';

const PATHS_NAMED = 3;

/** What is held and what to do about it, in words. `nameOf` says who a device is, `this device` among them. */
export function describeHeld(
  held: HeldDeletions,
  folder: string,
  nameOf: (device: DeviceKey) => string,
): string {
  const named = held.paths.slice(0, PATHS_NAMED);
  const more = held.files - named.length;
  const names = [...named, ...(more > 0 ? [`${more} more`] : [])].join(', ');
  const files = `${held.files} ${held.files === 1 ? 'file' : 'files'}`;
  const by = held.devices.map(nameOf).join(' and ');
  return (
    `${files} deleted by ${by || 'somebody'} within a short time (${names}). ` +
    `Delete them with 'landropic folder approve ${folder}', keep them with 'landropic folder refuse ${folder}'.`
  );
}
