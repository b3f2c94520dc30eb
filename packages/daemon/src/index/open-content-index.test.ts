import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FolderId } from '../core/model/identifiers.js';
import { IndexError } from './index-error.js';
import { openContentIndex, removeIndexFiles } from './open-content-index.js';
import { migrateSchema } from './schema-migrations.js';
import type { SqliteIndex } from './sqlite-index.js';

const folder = 'photos' as FolderId;

describe('opening a content index', () => {
  let directory: string;
  let file: string;
  let nowMs: number;
  let opened: SqliteIndex[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'landropic-index-'));
    file = join(directory, 'index', 'photos.sqlite');
    nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
    opened = [];
  });
  afterEach(() => {
    for (const index of opened) index.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const open = (path = file, id = folder) => {
    const clock = { nowMs: () => nowMs, monotonicMs: () => 0, after: () => () => undefined };
    const index = openContentIndex({ file: path, folder: id, randomBytes, clock });
    opened.push(index);
    return index;
  };
  const fill = (index: SqliteIndex, problems: number) =>
    index.transact((tx) => {
      tx.nextSequence();
      for (let i = 0; i < problems; i++) {
        tx.setProblem({ path: `p${i}`, code: 'io-error', text: 'x'.repeat(200) });
      }
    });
  /** The files as a crash at this moment would leave them. */
  const crashedCopy = (name: string) => {
    const target = join(directory, name, 'photos.sqlite');
    cpSync(join(directory, 'index'), join(directory, name), { recursive: true });
    return target;
  };

  it('makes a new index with an identity of its own, which stays', () => {
    const first = open();
    const identity = first.identity();
    expect(identity).toMatchObject({ sequence: 0, firstScanDone: false });
    expect(first.rebuilt).toBeUndefined();
    first.close();
    expect(open().identity()).toEqual(identity);
    expect(open(join(directory, 'other.sqlite')).identity().indexId).not.toBe(identity.indexId);
  });

  it('has after a crash all that was committed and nothing that was not', () => {
    const index = open();
    fill(index, 3);
    const identity = index.identity();
    let copy = '';
    expect(() =>
      index.transact((tx) => {
        tx.nextSequence();
        tx.setProblem({ path: 'late', code: 'io-error', text: 'x' });
        copy = crashedCopy('during');
        throw new Error('power cut');
      }),
    ).toThrow('power cut');
    expect(existsSync(`${copy}-wal`)).toBe(true);
    const survivor = open(copy);
    expect(survivor.rebuilt).toBeUndefined();
    expect(survivor.identity()).toEqual(identity);
    expect(survivor.problems(10).map((problem) => problem.path)).toEqual(['p0', 'p1', 'p2']);
  });

  it('sets a file that is no database aside and starts anew', () => {
    open().close();
    writeFileSync(file, 'this was a shopping list\n'.repeat(500));
    const index = open();
    expect(index.rebuilt?.setAsideAs).toBe(`${file}.damaged-20260102T030405Z`);
    expect(index.rebuilt?.reason).toMatch(/not a database/);
    expect(index.identity()).toMatchObject({ sequence: 0, firstScanDone: false });
    expect(readFileSync(index.rebuilt?.setAsideAs ?? '', 'utf8')).toMatch(/^this was a shopping list/);
    index.close();
    expect(open().rebuilt).toBeUndefined();
  });

  it('starts anew when pages were lost and the last stop was unclean', () => {
    const index = open();
    const { indexId, incarnation } = index.identity();
    fill(index, 2000);
    index.close();
    const again = open();
    fill(again, 1);
    const copy = crashedCopy('torn');
    overwritePages(copy);
    const rebuilt = open(copy);
    expect(rebuilt.rebuilt?.setAsideAs).toBeDefined();
    expect(rebuilt.identity().indexId).not.toBe(indexId);
    expect(rebuilt.identity().incarnation).not.toBe(incarnation);
    expect(rebuilt.problems(10)).toEqual([]);
  });

  it('reports damage that it meets while it runs, and starts anew when it is opened again', () => {
    const index = open();
    fill(index, 2000);
    index.close();
    overwritePages(file);
    const damaged = open();
    expect(damaged.rebuilt).toBeUndefined();
    expect(() => fill(damaged, 2000)).toThrow(expect.objectContaining({ code: 'damaged' }));
    damaged.close();
    const rebuilt = open();
    expect(rebuilt.rebuilt?.setAsideAs).toBeDefined();
    fill(rebuilt, 2000);
    rebuilt.close();
    expect(open().rebuilt).toBeUndefined();
  });

  it('starts anew when the tables are not the ones it made', () => {
    open().close();
    const database = new Database(file);
    database.exec('DROP TABLE entries; CREATE TABLE entries (id INTEGER)');
    database.close();
    expect(open().rebuilt?.reason).toMatch(/no such column|no column/);
  });

  it('starts anew when a migration cannot be done', () => {
    open().close();
    const database = new Database(file);
    database.pragma('user_version = 0');
    database.close();
    expect(open().rebuilt?.reason).toMatch(/tables/);
  });

  it('leaves an index of a newer version and one of another folder as they are', () => {
    open().close();
    expect(() => open(file, 'music' as FolderId)).toThrow(expect.objectContaining({ code: 'wrong-folder' }));
    const database = new Database(file);
    database.pragma('user_version = 999');
    database.close();
    const before = readFileSync(file);
    expect(() => open()).toThrow(expect.objectContaining({ code: 'newer-schema' }));
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(join(directory, 'index'))).toEqual(['photos.sqlite']);
  });

  it('says what is wrong when it cannot be opened, and sets nothing aside', () => {
    const blocked = join(directory, 'file');
    writeFileSync(blocked, '');
    const attempt = () => open(join(blocked, 'photos.sqlite'));
    expect(attempt).toThrow(IndexError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'unusable' }));
  });

  it('refuses a second opening of the same index', () => {
    open();
    expect(() => open()).toThrow(expect.objectContaining({ code: 'unusable' }));
  });

  it('keeps the last three damaged ones', () => {
    for (let round = 0; round < 5; round++) {
      open().close();
      writeFileSync(file, 'no database, nor anything like it');
      nowMs += 1000;
    }
    open();
    const kept = readdirSync(join(directory, 'index')).filter((name) => name.includes('.damaged-'));
    expect(kept).toEqual(['08', '09', '10'].map((second) => `photos.sqlite.damaged-20260102T0304${second}Z`));
  });

  it('goes with everything that lies beside it', () => {
    open().close();
    writeFileSync(file, 'no database, nor anything like it');
    open(join(directory, 'index', 'other.sqlite')).close();
    open().close();
    removeIndexFiles(file);
    expect(readdirSync(join(directory, 'index'))).toEqual(['other.sqlite']);
    removeIndexFiles(file);
  });

  it('brings an older schema up to date step by step, each whole or not at all', () => {
    const database = new Database(':memory:');
    migrateSchema(database, ['CREATE TABLE one (a INTEGER)']);
    expect(() =>
      migrateSchema(database, [
        'CREATE TABLE one (a INTEGER)',
        'CREATE TABLE two (b INTEGER)',
        'CREATE TABLE three (c INTEGER); CREATE TABLE two (b INTEGER)',
      ]),
    ).toThrow();
    const names = database.prepare('SELECT name FROM sqlite_schema ORDER BY name').pluck().all();
    expect(names).toEqual(['one', 'two']);
    expect(database.pragma('user_version', { simple: true })).toBe(2);
    database.close();
  });

  /** Noise over the middle half of the file: the first pages, which say what the file is, stay. */
  function overwritePages(path: string): void {
    const { size } = statSync(path);
    const handle = openSync(path, 'r+');
    writeSync(handle, randomBytes(Math.floor(size / 2)), 0, Math.floor(size / 2), Math.floor(size / 2));
    closeSync(handle);
  }
});
