import type { Database, Statement } from 'better-sqlite3';
import type { DeviceKey } from '../core/model/identifiers.js';

/** Short numbers for the devices that rows come from. Never forgotten: there are as many as members were ever met. */
export class DeviceRows {
  readonly #ids = new Map<DeviceKey, number>();
  readonly #keys = new Map<number, DeviceKey>();
  readonly #insert: Statement<[string]>;
  readonly #all: Statement<[], { id: number; device: string }>;

  constructor(database: Database) {
    this.#insert = database.prepare('INSERT INTO devices (device) VALUES (?)');
    this.#all = database.prepare('SELECT id, device FROM devices');
    this.reload();
  }

  /** Reads them again, after a transaction was rolled back. */
  reload(): void {
    this.#ids.clear();
    this.#keys.clear();
    for (const { id, device } of this.#all.all()) this.#remember(id, device as DeviceKey);
  }

  /** Only inside a transaction: may write. */
  idOf(device: DeviceKey): number {
    const id = this.#ids.get(device);
    if (id !== undefined) return id;
    const added = Number(this.#insert.run(device).lastInsertRowid);
    this.#remember(added, device);
    return added;
  }

  /** Without writing; undefined when it was never met. */
  findId(device: DeviceKey): number | undefined {
    return this.#ids.get(device);
  }

  keyOf(id: number | null): DeviceKey | undefined {
    return id === null ? undefined : this.#keys.get(id);
  }

  #remember(id: number, device: DeviceKey): void {
    this.#ids.set(device, id);
    this.#keys.set(id, device);
  }
}
