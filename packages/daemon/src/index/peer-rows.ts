import type { Database, Statement } from 'better-sqlite3';
import { z } from 'zod';
import type { DeviceKey, IndexId } from '../core/model/identifiers.js';
import type { PeerWatermarks } from '../core/ports/content-index.js';
import type { DeviceRows } from './device-rows.js';

export const MAX_UNPLACEABLE_THERE = 1000;

const unplaceableSchema = z.array(z.object({ path: z.string(), reason: z.string() }));

interface PeerRow {
  readonly their_index_id: string | null;
  readonly theirs_durable_here: number;
  readonly our_index_id: string | null;
  readonly ours_durable_there: number;
  readonly unplaceable_there: string;
}

export class PeerRows {
  readonly #devices: DeviceRows;
  readonly #get: Statement<[number], PeerRow>;
  readonly #set: Statement<[number, string | null, number, string | null, number, string]>;
  readonly #remove: Statement<[number]>;
  readonly #forgetMember: Statement<[number]>;

  constructor(database: Database, devices: DeviceRows) {
    this.#devices = devices;
    this.#get = database.prepare('SELECT * FROM peers WHERE device = ?');
    this.#set = database.prepare('INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM peers WHERE device = ?');
    this.#forgetMember = database.prepare('DELETE FROM members WHERE device = ?');
  }

  get(device: DeviceKey): PeerWatermarks | undefined {
    const id = this.#devices.findId(device);
    const row = id === undefined ? undefined : this.#get.get(id);
    if (row === undefined) return undefined;
    return {
      theirIndexId: (row.their_index_id ?? undefined) as IndexId | undefined,
      theirsDurableHere: row.theirs_durable_here,
      ourIndexId: (row.our_index_id ?? undefined) as IndexId | undefined,
      oursDurableThere: row.ours_durable_there,
      unplaceableThere: unplaceableSchema.parse(JSON.parse(row.unplaceable_there)),
    };
  }

  /** More than 1,000 unplaceable paths are cut: that there are any is what decides, and a thousand name enough of them. */
  set(device: DeviceKey, watermarks: PeerWatermarks): void {
    this.#set.run(
      this.#devices.idOf(device),
      watermarks.theirIndexId ?? null,
      watermarks.theirsDurableHere,
      watermarks.ourIndexId ?? null,
      watermarks.oursDurableThere,
      JSON.stringify(watermarks.unplaceableThere.slice(0, MAX_UNPLACEABLE_THERE)),
    );
  }

  remove(device: DeviceKey): void {
    const id = this.#devices.findId(device);
    if (id === undefined) return;
    this.#remove.run(id);
    this.#forgetMember.run(id);
  }
}
