import { describe, expect, test } from 'vitest';
import type { DeviceKey, FolderId, IndexId } from '../core/model/identifiers.js';
import { asPath, entryOf, file } from '../core/testing/entries.js';
import { MemoryIndex } from '../index/memory-index.js';
import { FolderReceipts } from './folder-receipts.js';
import { MemoryDevices } from './memory-devices.fixture.js';
import { type WaitProgress, type WaitTarget, waitForPeers } from './wait-for-peers.js';

const [b, c] = ['B', 'C'] as unknown as [DeviceKey, DeviceKey];

/** A folder with real receipts, whose files are written and looked at as the test says. */
class Folder {
  readonly index: MemoryIndex;
  readonly receipts: FolderReceipts;
  looks = 0;
  state: 'idle' | 'error' | 'paused' | 'held' = 'idle';
  look: () => Promise<void> = async () => {};
  readonly refusals = new Map<DeviceKey, string>();

  constructor(readonly label: string) {
    let byte = 1;
    this.index = new MemoryIndex(label as FolderId, (count) => new Uint8Array(count).fill(byte++));
    this.receipts = new FolderReceipts(this.index);
  }

  write(path: string): void {
    this.index.transact((tx) => {
      const sequence = tx.nextSequence();
      const known = entryOf(path, { content: file(path), vector: { a: sequence }, at: sequence });
      tx.put({
        path: asPath(path),
        sequence,
        known,
        held: undefined,
        source: undefined,
        conflictOf: undefined,
      });
    });
  }

  told(device: DeviceKey, sequence: number, ...unplaceable: string[]): void {
    const { indexId } = this.index.identity();
    const list = unplaceable.map((path) => ({ path, reason: 'its name' }));
    this.receipts.durableThere(device, { indexId: indexId as IndexId, sequence, unplaceable: list });
  }

  target(...devices: DeviceKey[]): WaitTarget {
    return {
      label: this.label,
      devices: devices.map((device) => ({ device, name: `device ${device}` })),
      refusal: (device) => this.refusals.get(device),
      runner: {
        rescan: async () => {
          this.looks++;
          await this.look();
          return 0;
        },
        activity: () => this.state,
        problems: () => [{ path: '', code: 'root-missing', text: 'Its marker is gone.' }],
        sequence: () => this.index.identity().sequence,
        receipts: this.receipts,
        index: this.index,
      },
    };
  }
}

function setUp() {
  const devices = new MemoryDevices();
  const leaving = new AbortController();
  const progress: WaitProgress[] = [];
  const wait = (targets: readonly WaitTarget[], timeoutMs = 60_000) => {
    let outcome: unknown = 'waits';
    void waitForPeers(targets, devices.clock, {
      timeoutMs,
      signal: leaving.signal,
      onProgress: (each) => progress.push(each),
    }).then(
      () => (outcome = 'done'),
      (error: unknown) => (outcome = error),
    );
    return async (ms = 1) => {
      await devices.advance(ms);
      return outcome;
    };
  };
  return { devices, leaving, progress, wait, folder: new Folder('f') };
}

describe('wait', () => {
  test('ends when every device holds everything that was written before it', async () => {
    const { wait, folder, progress } = setUp();
    for (const path of ['1', '2']) folder.write(path);
    folder.told(b, 2);
    const after = wait([folder.target(b, c)]);
    expect(await after()).toBe('waits');
    // What is written later is for a later wait.
    folder.write('3');
    folder.told(c, 1);
    expect(await after(600)).toBe('waits');
    expect(progress).toEqual([{ needFiles: 1, waitingFor: ['device C'] }]);
    folder.told(c, 2);
    expect(await after()).toBe('done');
  });

  test('looks at the folder first: what was just written counts', async () => {
    const { wait, folder } = setUp();
    folder.look = async () => folder.write('just written');
    folder.told(b, 0);
    const after = wait([folder.target(b)]);
    expect(await after()).toBe('waits');
    folder.told(b, 1);
    expect(await after()).toBe('done');
  });

  test('for a folder that is shared with nobody ends at once, without a look', async () => {
    const { wait, folder } = setUp();
    folder.look = () => new Promise(() => {});
    expect(await wait([folder.target()])()).toBe('done');
    expect(folder.looks).toBe(0);
  });

  test('names at its timeout whom it still waits for', async () => {
    const { wait, folder } = setUp();
    folder.write('1');
    const after = wait([folder.target(b, c)], 1_000);
    folder.told(b, 1);
    expect(await after(999)).toBe('waits');
    expect(await after()).toMatchObject({ code: 'timeout', message: 'Still waiting for device C.' });
  });

  test('ends at its timeout while the folder is still being looked at, and when the caller goes', async () => {
    const { wait, folder, leaving } = setUp();
    folder.look = () => new Promise(() => {});
    expect(await wait([folder.target(b)], 500)(500)).toMatchObject({ code: 'timeout' });
    const after = wait([folder.target(b)]);
    await after();
    leaving.abort();
    expect(await after()).toMatchObject({ code: 'timeout' });
    expect(await wait([folder.target(b)])()).toMatchObject({ code: 'timeout' });
  });
});

describe('what cannot come true ends it at once, and is named', () => {
  test('a folder that cannot be looked at', async () => {
    const { wait, folder } = setUp();
    folder.state = 'error';
    expect(await wait([folder.target(b)])()).toMatchObject({
      code: 'cannot-come-true',
      message: 'Folder f: Its marker is gone.',
    });
  });

  test('a folder that is paused, without a look at it', async () => {
    const { wait, folder } = setUp();
    folder.state = 'paused';
    expect(await wait([folder.target(b)])()).toMatchObject({
      code: 'cannot-come-true',
      message: expect.stringMatching(/^Folder f is paused/),
    });
    expect(folder.looks).toBe(0);
  });

  test('a folder that holds deletions, as the look may find', async () => {
    const { wait, folder } = setUp();
    folder.look = async () => {
      folder.state = 'held';
    };
    expect(await wait([folder.target(b)])()).toMatchObject({
      code: 'cannot-come-true',
      message: expect.stringMatching(/^Folder f holds deletions/),
    });
  });

  test('an entry that the other device cannot hold, also when it says so later', async () => {
    const { wait, folder } = setUp();
    for (const path of ['a', 'b']) folder.write(path);
    const after = wait([folder.target(b)]);
    expect(await after()).toBe('waits');
    folder.told(b, 1, 'a');
    expect(await after()).toMatchObject({
      code: 'cannot-come-true',
      message: 'device B cannot hold a: its name',
    });
  });

  test('but not one that has changed since the device said so', async () => {
    const { wait, folder } = setUp();
    folder.write('a');
    folder.told(b, 1, 'a');
    folder.write('a');
    const after = wait([folder.target(b)]);
    expect(await after()).toBe('waits');
    folder.told(b, 2);
    expect(await after()).toBe('done');
  });

  test('a device that no longer shares the folder, also when it withdraws meanwhile', async () => {
    const { wait, folder } = setUp();
    folder.write('a');
    const after = wait([folder.target(b)]);
    expect(await after()).toBe('waits');
    folder.refusals.set(b, 'B no longer shares it.');
    expect(await after(500)).toMatchObject({ code: 'cannot-come-true', message: 'B no longer shares it.' });
  });
});
