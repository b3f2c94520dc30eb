import { z } from 'zod';
import { type DeviceKey, type FolderId, parseFolderId } from '../core/model/identifiers.js';
import { ConfigError } from './config-error.js';
import { JsonFile } from './json-file.js';
import { parseName } from './setting-definitions.js';

export const FOLDER_MODES = ['two-way', 'send-only', 'receive-only'] as const;
export type FolderMode = (typeof FOLDER_MODES)[number];

export interface SharedFolder {
  readonly id: FolderId;
  readonly label: string;
  /** Absolute, without symlinks. */
  readonly path: string;
  readonly mode: FolderMode;
  readonly paused: boolean;
  readonly sharedWith: readonly DeviceKey[];
}

export interface DeclinedOffer {
  readonly folder: FolderId;
  readonly device: DeviceKey;
}

export const MAX_FOLDERS = 1024;
/** Declined offers that are remembered; the oldest go first, and are offered again. */
const MAX_DECLINED = 1000;

const folderIdSchema = z.string().transform((text, context) => {
  const id = parseFolderId(text);
  if (id === undefined) context.addIssue({ code: 'custom', message: `"${text}" is no folder ID` });
  return id ?? z.NEVER;
});
const deviceSchema = z.string().transform((text) => text as DeviceKey);

const folderSchema = z.object({
  id: folderIdSchema,
  label: z.string().refine((label) => parseName(label) === label, 'not a label'),
  path: z.string().min(1),
  mode: z.enum(FOLDER_MODES).default('two-way'),
  paused: z.boolean().default(false),
  sharedWith: z.array(deviceSchema),
});

const fileSchema = z.object({
  version: z.literal(1),
  folders: z.array(folderSchema).max(MAX_FOLDERS),
  declined: z.array(z.object({ folder: folderIdSchema, device: deviceSchema })).default([]),
});

export type FoundFolder =
  | { readonly found: 'one'; readonly folder: SharedFolder }
  | { readonly found: 'none' }
  /** A label that several folders have. */
  | { readonly found: 'several'; readonly folders: readonly SharedFolder[] };

/** The folders of this device, and the offers that its person does not want. Every change is stored before it returns. */
export class SharedFolders {
  readonly #file: JsonFile<z.infer<typeof fileSchema>>;
  readonly #listeners = new Set<() => void>();
  #folders: ReadonlyMap<FolderId, SharedFolder>;
  #declined: readonly DeclinedOffer[];

  /** Reads the file. Throws {@link ConfigError} `config-damaged`. */
  constructor(foldersFile: string) {
    this.#file = new JsonFile(foldersFile, fileSchema, {
      mend: 'Correct it, or move it away and add the folders again: their files stay as they are.',
    });
    const stored = this.#file.read();
    this.#folders = new Map(stored?.folders.map((folder) => [folder.id, folder]));
    this.#declined = stored?.declined ?? [];
    if (stored !== undefined && this.#folders.size !== stored.folders.length) {
      throw this.#file.damaged('a folder stands in it twice');
    }
  }

  list(): readonly SharedFolder[] {
    return [...this.#folders.values()];
  }

  get(id: FolderId): SharedFolder | undefined {
    return this.#folders.get(id);
  }

  /** By ID, else by label. */
  find(text: string): FoundFolder {
    const id = parseFolderId(text);
    const byId = id && this.#folders.get(id);
    if (byId !== undefined) return { found: 'one', folder: byId };
    const [first, ...others] = this.list().filter((folder) => folder.label === text);
    if (first === undefined) return { found: 'none' };
    return others.length === 0
      ? { found: 'one', folder: first }
      : { found: 'several', folders: [first, ...others] };
  }

  sharedWith(device: DeviceKey): readonly SharedFolder[] {
    return this.list().filter((folder) => folder.sharedWith.includes(device));
  }

  /** Throws {@link ConfigError} `usage` when the ID is taken or there are as many folders as there may be. */
  add(folder: SharedFolder): void {
    if (this.#folders.has(folder.id)) {
      throw new ConfigError('usage', `There is a folder with the ID ${folder.id} already.`, {
        hint: 'Give this one another ID with --id.',
      });
    }
    if (this.#folders.size >= MAX_FOLDERS) {
      throw new ConfigError('usage', `No more than ${MAX_FOLDERS} folders can be shared.`);
    }
    const declined = this.#declined.filter((offer) => offer.folder !== folder.id);
    this.#store(new Map(this.#folders).set(folder.id, folder), declined);
  }

  /** Throws {@link ConfigError} `not-found`. */
  update(id: FolderId, change: Partial<Omit<SharedFolder, 'id' | 'path'>>): SharedFolder {
    const changed = { ...this.#require(id), ...change };
    this.#store(new Map(this.#folders).set(id, changed), this.#declined);
    return changed;
  }

  /** Stops sharing; the files stay. Throws {@link ConfigError} `not-found`. */
  remove(id: FolderId): SharedFolder {
    const removed = this.#require(id);
    this.#store(new Map([...this.#folders].filter(([each]) => each !== id)), this.#declined);
    return removed;
  }

  /** Takes a device out of every folder and forgets what was declined of it. */
  forgetDevice(device: DeviceKey): void {
    const isKnown =
      this.sharedWith(device).length > 0 || this.#declined.some((offer) => offer.device === device);
    if (!isKnown) return;
    const folders = this.list().map((folder) => ({
      ...folder,
      sharedWith: folder.sharedWith.filter((each) => each !== device),
    }));
    this.#store(
      new Map(folders.map((folder) => [folder.id, folder])),
      this.#declined.filter((offer) => offer.device !== device),
    );
  }

  decline(offer: DeclinedOffer): void {
    if (this.isDeclined(offer)) return;
    this.#store(this.#folders, [...this.#declined, offer].slice(-MAX_DECLINED));
  }

  isDeclined({ folder, device }: DeclinedOffer): boolean {
    return this.#declined.some((offer) => offer.folder === folder && offer.device === device);
  }

  /** Calls back after every change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #require(id: FolderId): SharedFolder {
    const folder = this.#folders.get(id);
    if (folder === undefined) throw new ConfigError('not-found', `There is no folder with the ID ${id}.`);
    return folder;
  }

  #store(folders: ReadonlyMap<FolderId, SharedFolder>, declined: readonly DeclinedOffer[]): void {
    this.#file.write({
      version: 1,
      folders: [...folders.values()].map((folder) => ({ ...folder, sharedWith: [...folder.sharedWith] })),
      declined: [...declined],
    });
    this.#folders = folders;
    this.#declined = declined;
    for (const listener of this.#listeners) listener();
  }
}
