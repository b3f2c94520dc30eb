import { parseDeviceId } from '@landropic/crypto';
import type { FolderAtWork } from '../assembly/shared-folder-set.js';
import type { DeviceKey } from '../core/model/identifiers.js';
import { ApiError } from '../local-api/schema.js';
import type { PairedDevice } from '../trust/paired-devices.js';
import type { DaemonParts } from './daemon-parts.js';

/** From here on a text is meant as a whole ID. */
const MIN_ID_CHARACTERS = 50;

/** The one paired device of that name, ID or beginning of an ID. Throws `not-paired`, or `usage` when several fit. */
export function pairedDevice({ devices }: Pick<DaemonParts, 'devices'>, text: string): PairedDevice {
  const result = devices.find(text);
  if (result.found === 'one') return result.device;
  if (result.found === 'none') refuseMistyped(text);
  if (result.found === 'none')
    throw new ApiError('not-paired', `No paired device is called '${text}'. See: landropic devices`);
  throw new ApiError('usage', `'${text}' could be ${result.devices.length} devices. Use more of its ID.`);
}

/** A whole ID has check characters: one that does not fit is no device's at all. */
function refuseMistyped(text: string): void {
  if (text.replaceAll(/[\s-]/g, '').length < MIN_ID_CHARACTERS) return;
  try {
    parseDeviceId(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ApiError('usage', `The device ID is mistyped: ${why}`, { cause });
  }
}

/** What people call a device: this one's own name, that of a paired one, or else its ID. */
export function deviceName(
  { devices, settings, ownDevice }: Pick<DaemonParts, 'devices' | 'settings' | 'ownDevice'>,
  device: DeviceKey,
): string {
  return device === ownDevice ? settings.value('name') : (devices.get(device)?.name ?? device);
}

/** The one folder of that ID, or else of that label. Throws `not-found`, or `usage` when several have the label. */
export function sharedFolder({ folders }: Pick<DaemonParts, 'folders'>, text: string): FolderAtWork {
  const byId = folders.list().find(({ setting }) => setting.id === text);
  const [found, another] =
    byId === undefined ? folders.list().filter(({ setting }) => setting.label === text) : [byId];
  if (found === undefined)
    throw new ApiError('not-found', `No folder '${text}' is shared here. See: landropic folder list`);
  if (another !== undefined)
    throw new ApiError('usage', `Several folders are labelled '${text}'. Name one by its ID.`);
  return found;
}
