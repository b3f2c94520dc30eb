import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeviceKey, FolderId } from '../core/model/identifiers.js';
import { findJsonFlaw } from './json-flaw.js';
import { parseListenAddress, SETTING_KEYS } from './setting-definitions.js';
import { Settings } from './settings.js';
import { type SharedFolder, SharedFolders } from './shared-folders.js';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'landropic-config-'));
  file = join(directory, 'config.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const damaged = (text: RegExp) =>
  expect.objectContaining({ code: 'config-damaged', message: expect.stringMatching(text) });

describe('settings', () => {
  it('have their defaults without a file, and make none by being read', () => {
    const settings = new Settings(file);
    expect(settings.value('listen')).toEqual({ host: '0.0.0.0', port: 22100 });
    expect(settings.get('discovery')).toMatchObject({ value: 'on', default: 'on' });
    expect(settings.list().map(({ key }) => key)).toEqual(SETTING_KEYS);
    for (const { description } of settings.list()) expect(description).not.toBe('');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('keep what was set, for their owner alone, and leave nothing else behind', () => {
    const settings = new Settings(file);
    expect(settings.set('log.level', 'debug')).toMatchObject({ value: 'debug', applied: true });
    expect(settings.set('listen', '[::1]:0')).toMatchObject({ value: '[::1]:0', applied: false });
    settings.set('discovery', 'off');
    const again = new Settings(file);
    expect(again.value('log.level')).toBe('debug');
    expect(again.value('listen')).toEqual({ host: '::1', port: 0 });
    expect(again.value('discovery')).toBe(false);
    expect(again.get('discovery')).toMatchObject({ value: 'off', default: 'on' });
    expect(readdirSync(directory)).toEqual(['config.json']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('tell of a change after it was stored', () => {
    const settings = new Settings(file);
    const seen: string[] = [];
    const stop = settings.onChange((key) => seen.push(`${key} ${settings.get(key).value}`));
    settings.set('rescanIntervalSeconds', '60');
    stop();
    settings.set('rescanIntervalSeconds', '61');
    expect(seen).toEqual(['rescanIntervalSeconds 60']);
  });

  it.each([
    ['off', 'off'],
    ['on', '25%,100'],
    ['50 %, 1000', '50%,1000'],
  ])('take %j as when deletions are too many', (text, value) => {
    expect(new Settings(file).set('guard.massDelete', text)).toMatchObject({ value, applied: true });
    expect(new Settings(file).get('guard.massDelete').value).toBe(value);
  });

  it.each([
    ['colour', 'red'],
    ['log.level', 'loud'],
    ['rescanIntervalSeconds', '1'],
    ['rescanIntervalSeconds', '60.5'],
    ['listen', 'localhost:1'],
    ['listen', '0.0.0.0'],
    ['name', ''],
    ['name', 'two\nlines'],
    ['name', 'x'.repeat(65)],
    ['discovery', 'perhaps'],
    ['guard.massDelete', '25%'],
    ['guard.massDelete', '101%,5'],
    ['guard.massDelete', '25,100'],
    ['toString', 'x'],
  ])('refuse %s = %j and stay as they were', (key, value) => {
    const settings = new Settings(file);
    settings.set('name', 'desk');
    const before = readFileSync(file, 'utf8');
    expect(() => settings.set(key, value)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  it('take what people write into the file', () => {
    writeFileSync(file, '\ufeff{ "rescanIntervalSeconds": 90, "discovery": false }');
    const settings = new Settings(file);
    expect(settings.value('rescanIntervalSeconds')).toBe(90);
    expect(settings.get('discovery').value).toBe('off');
  });

  it.each([
    ['{\n  "name": "a"\n  "listen": "b"\n}', /config\.json is damaged.*line 3, column 3/],
    ['', /line 1, column 1/],
    ['{ "name": "a"', /line 1/],
    ['[]', /expected record/i],
    ['{ "name": {} }', /"name"/],
    ['{ "colour": "red" }', /"colour" is no setting/],
    ['{ "log.level": "loud" }', /"log.level" does not take "loud"; it takes trace/],
  ])('say where the file %j is damaged', (text, message) => {
    writeFileSync(file, text);
    expect(() => new Settings(file)).toThrow(damaged(message));
    expect(readFileSync(file, 'utf8')).toBe(text);
  });
});

describe('the place where a text stops being JSON', () => {
  it('is nowhere in what JSON.stringify makes, and somewhere in all that JSON.parse refuses', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', ',', '"', '}', ']', 'x', '\\', ' '),
        (json, at, put) => {
          expect(findJsonFlaw(json)).toBeUndefined();
          const place = at % (json.length + 1);
          const changed = json.slice(0, place) + put + json.slice(place + 1);
          expect(findJsonFlaw(changed) === undefined).toBe(parses(changed));
        },
      ),
    );
  });

  it.each([
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ['[1 2]', 3],
    ['nul', 0],
    ['[1]]', 3],
    ['{"a":"b', 5],
  ])('in %s is at %i', (text, offset) => {
    expect(findJsonFlaw(text)).toBe(offset);
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('shared folders', () => {
  const folder = (id: string, label = id): SharedFolder => ({
    id: id as FolderId,
    label,
    path: `/srv/${id}`,
    mode: 'two-way',
    paused: false,
    sharedWith: ['LAPTOP' as DeviceKey],
  });
  const foldersFile = () => join(directory, 'folders.json');

  it('are kept, changed, found by ID and label, and removed', () => {
    const folders = new SharedFolders(foldersFile());
    folders.add(folder('a', 'Photos'));
    folders.add(folder('b', 'Music'));
    folders.add(folder('c', 'Music'));
    folders.update('a' as FolderId, { paused: true, sharedWith: [] });
    folders.remove('b' as FolderId);
    const again = new SharedFolders(foldersFile());
    expect(again.list()).toEqual([
      { ...folder('a', 'Photos'), paused: true, sharedWith: [] },
      folder('c', 'Music'),
    ]);
    expect(again.find('Photos')).toMatchObject({ found: 'one', folder: { id: 'a' } });
    expect(again.find('c')).toMatchObject({ found: 'one', folder: { id: 'c' } });
    expect(again.find('nothing like it')).toEqual({ found: 'none' });
    again.add(folder('d', 'Music'));
    expect(again.find('Music')).toMatchObject({ found: 'several' });
  });

  it('refuse an ID twice, and changes of what is not there', () => {
    const folders = new SharedFolders(foldersFile());
    folders.add(folder('a'));
    expect(() => folders.add(folder('a'))).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => folders.remove('z' as FolderId)).toThrow(expect.objectContaining({ code: 'not-found' }));
  });

  it('remember what was declined until the folder is taken or the device forgotten', () => {
    const folders = new SharedFolders(foldersFile());
    const offer = (id: string, device: string) => ({ folder: id as FolderId, device: device as DeviceKey });
    folders.decline(offer('a', 'LAPTOP'));
    folders.decline(offer('b', 'LAPTOP'));
    folders.decline(offer('b', 'DESKTOP'));
    folders.add(folder('a'));
    folders.forgetDevice('DESKTOP' as DeviceKey);
    const again = new SharedFolders(foldersFile());
    expect(again.isDeclined(offer('a', 'LAPTOP'))).toBe(false);
    expect(again.isDeclined(offer('b', 'LAPTOP'))).toBe(true);
    expect(again.isDeclined(offer('b', 'DESKTOP'))).toBe(false);
    again.forgetDevice('LAPTOP' as DeviceKey);
    expect(again.list()[0]?.sharedWith).toEqual([]);
  });

  it('say what is damaged', () => {
    writeFileSync(
      foldersFile(),
      '{"version":1,"folders":[{"id":"../x","label":"x","path":"/x","sharedWith":[]}]}',
    );
    expect(() => new SharedFolders(foldersFile())).toThrow(
      damaged(/"folders\.0\.id": "\.\.\/x" is no folder ID/),
    );
    const one = JSON.stringify(folder('a'));
    writeFileSync(foldersFile(), `{"version":1,"folders":[${one},${one}]}`);
    expect(() => new SharedFolders(foldersFile())).toThrow(damaged(/twice/));
  });
});

describe('a listening address', () => {
  it.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['[::]:22100', { host: '::', port: 22100 }],
    ['256.0.0.1:1', undefined],
    ['[:::]:1', undefined],
    ['::1:22', undefined],
    ['127.0.0.1:65536', undefined],
    ['127.0.0.1:', undefined],
  ])('%s is %o', (text, expected) => {
    expect(parseListenAddress(text)).toEqual(expected);
  });
});
