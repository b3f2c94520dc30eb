import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { locateHome } from '../../packages/daemon/src/config/home.js';
import { invite, pairDevices, takeFolder } from '../support/pair-and-share.js';
import type { TestDevice } from '../support/test-device.js';
import { makeDirectory, removeDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { useDevices } from '../support/use-devices.js';
import { WirePeer } from '../support/wire-peer.js';

/** What the attacked daemon's other peers may wait for an answer, 95 of 100 times. */
const PING_LIMIT_MS = 50;
/** On a machine that is busy with other things, so many times what it takes right before the attack, up to a bound. */
const BUSY_FACTOR = 10;
const BUSY_LIMIT_MS = 250;
/** What a daemon under attack may hold beyond what it holds at rest: the window of one connection, and as much again. */
const MEMORY_LIMIT_BYTES = 160 * 1024 * 1024;
const QUIET_MS = 400;
const SYNC_TIMEOUT_MS = 10_000;
/** The attacker gives way to the daemons, as if it had a machine of its own. */
const ATTACKER_NICENESS = 10;

/** A daemon that is attacked, a device that means well, and one that is paired as well and does not. */
export interface AttackStage {
  readonly victim: TestDevice;
  readonly friend: TestDevice;
  readonly enemy: WirePeer;
  readonly victimFolder: string;
  readonly friendFolder: string;
  /** The friend asks after the victim. */
  readonly probe: PingProbe;
}

/** Sets the stage once for all tests of a file. Call it outside of them. */
export function useAttackStage(): () => AttackStage {
  const newDevice = useDevices({ endWith: 'file' });
  const enemyDirectory = makeDirectory();
  let stage: AttackStage | undefined;
  beforeAll(async () => {
    const [victim, friend] = await Promise.all([newDevice('victim'), newDevice('friend')]);
    const [victimFolder, friendFolder] = [victim.makeFolder('shared'), friend.makeFolder('shared')];
    await pairDevices(victim, friend);
    const enemy = await WirePeer.create(enemyDirectory);
    await enemy.redeem(victim, await invite(victim));
    await victim.ok(['folder', 'add', victimFolder, '--id', 'f', '--share', friend.id, '--share', enemy.id]);
    await takeFolder(friend, friendFolder, 'f');
    const probe = new PingProbe(friend, victim.id);
    setPriority(ATTACKER_NICENESS);
    stage = { victim, friend, enemy, victimFolder, friendFolder, probe };
  });
  afterAll(async () => {
    stage?.probe.end();
    await stage?.enemy.close();
    removeDirectory(enemyDirectory);
  });
  return () => {
    if (stage === undefined) throw new Error('The stage is not set.');
    return stage;
  };
}

/**
 * Runs an attack, and fails unless the daemon answered its other peer in time throughout, held no more than it may, and
 * syncs a file afterwards. The attack's result is returned. Prints what was measured.
 */
export async function expectWithstands<T>(
  { victim, probe, victimFolder, friendFolder }: AttackStage,
  name: string,
  attack: () => Promise<T>,
  { memoryLimitBytes = MEMORY_LIMIT_BYTES }: { readonly memoryLimitBytes?: number } = {},
): Promise<T> {
  const quietMs = await measureQuiet(probe);
  const restBytes = residentBytes(victim.pid, 'VmRSS');
  resetPeak(victim.pid);
  const startedAt = readProcessorTime(victim.pid);
  probe.start();
  let result: T;
  let pings: readonly number[];
  try {
    result = await attack();
  } finally {
    pings = await probe.stop();
  }
  const processor = readProcessorTime(victim.pid);
  const grownBytes = residentBytes(victim.pid, 'VmHWM') - restBytes;
  const usedMs = processor.usedMs - startedAt.usedMs;
  const wantedMs = usedMs + processor.waitedMs - startedAt.waitedMs;
  const lastedMs = processor.atMs - startedAt.atMs;
  const duringMs = percentile95(pings);
  // Others want the processor too: what the daemon had to wait for it is none of its doing, here and at its peer.
  const contention = usedMs > 0 ? wantedMs / usedMs : 1;
  const limitMs = Math.min(BUSY_LIMIT_MS, Math.max(PING_LIMIT_MS * contention, BUSY_FACTOR * quietMs));
  console.log(
    `${name}: ping p95 ${duringMs.toFixed(1)} ms of ${limitMs.toFixed(0)} (${quietMs.toFixed(1)} without, ` +
      `worst ${Math.max(...pings).toFixed(1)}, ${pings.length} pings), processor ${percent(usedMs, lastedMs)} used ` +
      `and ${percent(wantedMs - usedMs, lastedMs)} waited for, memory ${mib(restBytes)} + ${mib(grownBytes)} MiB`,
  );
  expect(duringMs, 'ping while attacked').toBeLessThan(limitMs);
  expect(grownBytes, 'memory while attacked').toBeLessThan(memoryLimitBytes);
  const file = `after-${name.replaceAll(/\W+/g, '-')}`;
  writeFileSync(join(friendFolder, file), file);
  await until(() => existsSync(join(victimFolder, file)), {
    what: 'a file still comes over',
    timeoutMs: SYNC_TIMEOUT_MS,
  });
  return result;
}

/** Pings from one daemon to another, by a process of its own. */
class PingProbe {
  readonly #process: ChildProcess;
  readonly #socketPath: string;

  constructor(
    from: TestDevice,
    private readonly device: string,
  ) {
    this.#socketPath = locateHome({ directory: from.home }).socketPath;
    this.#process = fork(fileURLToPath(new URL('ping-process.mjs', import.meta.url)));
  }

  start(): void {
    this.#process.send({ start: { socketPath: this.#socketPath, device: this.device } });
  }

  /** The round trips in ms; what failed counts as 10 s. */
  async stop(): Promise<readonly number[]> {
    const answer = once(this.#process, 'message');
    this.#process.send({ stop: true });
    const [pings] = (await answer) as [number[]];
    return pings;
  }

  end(): void {
    this.#process.kill();
  }
}

async function measureQuiet(probe: PingProbe): Promise<number> {
  probe.start();
  await delay(QUIET_MS);
  return percentile95(await probe.stop());
}

/** Of the main thread, from /proc: how long it ran, and how long it waited for a processor that was free. 0 elsewhere. */
function readProcessorTime(pid: number): {
  readonly usedMs: number;
  readonly waitedMs: number;
  readonly atMs: number;
} {
  const file = `/proc/${pid}/task/${pid}/schedstat`;
  const [used = 0, waited = 0] = existsSync(file) ? readFileSync(file, 'utf8').split(' ').map(Number) : [];
  return { usedMs: used / 1e6, waitedMs: waited / 1e6, atMs: performance.now() };
}

function percent(part: number, whole: number): string {
  return `${Math.round((100 * part) / whole)} %`;
}

function mib(bytes: number): string {
  return String(Math.round(bytes / 2 ** 20));
}

function percentile95(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.95)] ?? 0;
}

/** From /proc; 0 where there is none, so that memory is looked at on Linux alone. */
function residentBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return 0;
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

function resetPeak(pid: number): void {
  const file = `/proc/${pid}/clear_refs`;
  // 5: the peak is what is resident now.
  if (existsSync(file)) writeFileSync(file, '5');
}
