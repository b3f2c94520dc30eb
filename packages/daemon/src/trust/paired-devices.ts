import { z } from 'zod';
import { ConfigError } from '../config/config-error.js';
import { JsonFile } from '../config/json-file.js';
import { parseName } from '../config/setting-definitions.js';
import type { DeviceKey } from '../core/model/identifiers.js';

export interface DeviceAddress {
  readonly host: string;
  readonly port: number;
}

export interface PairedDevice {
  readonly id: DeviceKey;
  /** What it was renamed to here, else what it calls itself. A label: others may have the same. */
  readonly name: string;
  readonly isRenamed: boolean;
  /** Where it was last reached, the best first. */
  readonly addresses: readonly DeviceAddress[];
  readonly pairedAtMs: number;
  readonly lastSeenMs: number | undefined;
}

export interface SeenDevice {
  readonly atMs: number;
  readonly address?: DeviceAddress;
  readonly name?: string;
}

export type FoundDevice =
  | { readonly found: 'one'; readonly device: PairedDevice }
  | { readonly found: 'none' }
  | { readonly found: 'several'; readonly devices: readonly PairedDevice[] };

export type DeviceChange = 'added' | 'removed' | 'renamed';

type ChangeListener = (device: PairedDevice, change: DeviceChange) => void;

export const MAX_DEVICE_ADDRESSES = 8;
/** Far beyond anybody's devices; a bound for what is asked of every connection. */
export const MAX_PAIRED_DEVICES = 1024;

const fileSchema = z.object({
  version: z.literal(1),
  devices: z
    .array(
      z.object({
        id: z
          .string()
          .min(1)
          .transform((text) => text as DeviceKey),
        name: z.string().refine((name) => parseName(name) === name, 'not a device name'),
        renamed: z.boolean().optional(),
        addresses: z
          .array(z.object({ host: z.string(), port: z.number().int().min(1).max(65_535) }))
          .max(MAX_DEVICE_ADDRESSES)
          .default([]),
        pairedAt: z.iso.datetime(),
        lastSeen: z.iso.datetime().optional(),
      }),
    )
    .max(MAX_PAIRED_DEVICES),
});

export interface PairedDevicesOptions {
  /** Turns an ID as a person writes it into the canonical one; undefined when it is none. */
  readonly parseDeviceId?: (text: string) => DeviceKey | undefined;
}

/** The devices this one trusts. Every change of trust is stored before it returns, and then told. */
export class PairedDevices {
  readonly #file: JsonFile<z.infer<typeof fileSchema>>;
  readonly #parseDeviceId: (text: string) => DeviceKey | undefined;
  readonly #listeners = new Set<ChangeListener>();
  #devices: ReadonlyMap<DeviceKey, PairedDevice>;

  /** Reads the file. Throws {@link ConfigError} `config-damaged`: trust is never guessed. */
  constructor(devicesFile: string, options: PairedDevicesOptions = {}) {
    this.#parseDeviceId = options.parseDeviceId ?? (() => undefined);
    this.#file = new JsonFile(devicesFile, fileSchema, {
      mend: 'Correct it, or move it away and pair the devices again.',
    });
    const stored = this.#file.read()?.devices ?? [];
    this.#devices = new Map(stored.map((device) => [device.id, fromStored(device)]));
    if (this.#devices.size !== stored.length) throw this.#file.damaged('a device stands in it twice');
  }

  isPaired(id: string): boolean {
    return this.#devices.has(id as DeviceKey);
  }

  get(id: DeviceKey): PairedDevice | undefined {
    return this.#devices.get(id);
  }

  list(): readonly PairedDevice[] {
    return [...this.#devices.values()];
  }

  /** By name, by full ID however it is written, or by an unambiguous beginning of the ID. */
  find(text: string): FoundDevice {
    const wanted = text.trim();
    const byName = this.list().filter((device) => device.name === wanted);
    if (byName.length > 0) return foundOf(byName);
    const id = this.#parseDeviceId(wanted);
    if (id !== undefined) return foundOf(this.list().filter((device) => device.id === id));
    const prefix = bareId(wanted);
    if (prefix === '') return { found: 'none' };
    return foundOf(this.list().filter((device) => bareId(device.id).startsWith(prefix)));
  }

  /** Pairs a device, or brings name and addresses of a paired one up to date. Throws {@link ConfigError} `usage` when full. */
  add(device: Pick<PairedDevice, 'id' | 'name' | 'addresses' | 'pairedAtMs'>): PairedDevice {
    const before = this.#devices.get(device.id);
    if (before === undefined && this.#devices.size >= MAX_PAIRED_DEVICES) {
      throw new ConfigError('usage', `No more than ${MAX_PAIRED_DEVICES} devices can be paired.`);
    }
    const added: PairedDevice = {
      id: device.id,
      name: nameAfter(before, device),
      isRenamed: before?.isRenamed ?? false,
      addresses: device.addresses.slice(0, MAX_DEVICE_ADDRESSES),
      pairedAtMs: before?.pairedAtMs ?? device.pairedAtMs,
      lastSeenMs: before?.lastSeenMs,
    };
    this.#store(new Map(this.#devices).set(device.id, added));
    if (before === undefined) this.#tell(added, 'added');
    return added;
  }

  /** Throws {@link ConfigError} `not-found`. */
  remove(id: DeviceKey): PairedDevice {
    const removed = this.#require(id);
    this.#store(new Map([...this.#devices].filter(([each]) => each !== id)));
    this.#tell(removed, 'removed');
    return removed;
  }

  /** Throws {@link ConfigError} `not-found`, or `usage` when that is no name. */
  rename(id: DeviceKey, name: string): PairedDevice {
    const parsed = parseName(name);
    if (parsed === undefined) throw new ConfigError('usage', `"${name}" cannot be a device's name.`);
    const renamed = { ...this.#require(id), name: parsed, isRenamed: true };
    this.#store(new Map(this.#devices).set(id, renamed));
    this.#tell(renamed, 'renamed');
    return renamed;
  }

  /**
   * Notes when and where a device was last reached, and what it calls itself; that address comes first from now on.
   * Unknown devices are ignored. Writes the file: meant for when a connection comes or goes, not for every frame.
   */
  noteSeen(id: DeviceKey, seen: SeenDevice): void {
    const device = this.#devices.get(id);
    if (device === undefined) return;
    const { address } = seen;
    const others = device.addresses.filter(
      (each) => each.host !== address?.host || each.port !== address?.port,
    );
    const addresses = address === undefined ? others : [address, ...others];
    this.#store(
      new Map(this.#devices).set(id, {
        ...device,
        name: nameAfter(device, { id, name: seen.name ?? device.name }),
        addresses: addresses.slice(0, MAX_DEVICE_ADDRESSES),
        lastSeenMs: seen.atMs,
      }),
    );
  }

  /** Calls back after a device was added, removed or renamed; the returned function ends that. */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #require(id: DeviceKey): PairedDevice {
    const device = this.#devices.get(id);
    if (device === undefined) throw new ConfigError('not-found', `No device ${id} is paired.`);
    return device;
  }

  #store(devices: ReadonlyMap<DeviceKey, PairedDevice>): void {
    this.#file.write({ version: 1, devices: [...devices.values()].map(toStored) });
    this.#devices = devices;
  }

  #tell(device: PairedDevice, change: DeviceChange): void {
    for (const listener of this.#listeners) listener(device, change);
  }
}

/** What a peer calls itself goes through the same check as everything else that a screen shows. */
function nameAfter(before: PairedDevice | undefined, now: Pick<PairedDevice, 'id' | 'name'>): string {
  if (before?.isRenamed) return before.name;
  return parseName(now.name) ?? before?.name ?? now.id.slice(0, 7);
}

function foundOf(devices: readonly PairedDevice[]): FoundDevice {
  const [device] = devices;
  if (device === undefined) return { found: 'none' };
  return devices.length === 1 ? { found: 'one', device } : { found: 'several', devices };
}

/** Without groups and case, so that any beginning that was copied is one. */
function bareId(text: string): string {
  return text.replaceAll(/[\s-]/g, '').toUpperCase();
}

type StoredDevice = z.infer<typeof fileSchema>['devices'][number];

function fromStored({ id, name, renamed, addresses, pairedAt, lastSeen }: StoredDevice): PairedDevice {
  return {
    id,
    name,
    isRenamed: renamed ?? false,
    addresses,
    pairedAtMs: Date.parse(pairedAt),
    lastSeenMs: lastSeen === undefined ? undefined : Date.parse(lastSeen),
  };
}

function toStored(device: PairedDevice): StoredDevice {
  return {
    id: device.id,
    name: device.name,
    ...(device.isRenamed ? { renamed: true } : {}),
    addresses: [...device.addresses],
    pairedAt: new Date(device.pairedAtMs).toISOString(),
    ...(device.lastSeenMs === undefined ? {} : { lastSeen: new Date(device.lastSeenMs).toISOString() }),
  };
}
