import type { MemoryIndex } from '../../packages/daemon/src/index/memory-index.js';
import { MemoryDevices } from '../../packages/daemon/src/sync/memory-devices.fixture.js';
import { Chance, pickWeighted } from './chance.js';
import { Coverage } from './coverage.js';
import {
  countNeedlessCopies,
  describeTree,
  findDivergence,
  findForeignBytes,
  findLossesAndReturns,
  type Violation,
} from './judge.js';
import { Ledger } from './ledger.js';
import { GONE } from './memory-folder-disk.js';
import { Person } from './person.js';
import { SimulatedDevice } from './simulated-device.js';

export interface HistoryOptions {
  /** What may happen besides what people do; all of it unless told. */
  readonly faults?: Partial<Record<Fault, number>>;
  readonly maxDevices?: number;
  readonly trace?: (line: string) => void;
}

/** How often each happens, among all that happens. */
export const FAULTS = {
  cut: 4,
  mend: 4,
  loss: 1,
  kill: 3,
  powerLoss: 2,
  stop: 2,
  start: 6,
  indexLost: 1,
  indexRestored: 0,
  clockSet: 1,
} as const;

export type Fault = keyof typeof FAULTS;

export interface HistoryResult {
  readonly violations: readonly Violation[];
  readonly coverage: Coverage;
}

const MAX_SETTLE_MS = 300_000;
const SETTLE_STEP_MS = 500;
const QUIET_MS = 45_000;

/** One history of a few devices, everything in it from the seed. */
export class History {
  private readonly chance: Chance;
  /** For what comes in between, so that the rest of a history does not depend on how often a disk is asked. */
  private readonly amidChance: Chance;
  private readonly coverage = new Coverage();
  private readonly ledger = new Ledger();
  private readonly world: MemoryDevices;
  private readonly devices: SimulatedDevice[] = [];
  private readonly people = new Map<SimulatedDevice, Person>();
  private readonly copies = new Map<SimulatedDevice, MemoryIndex>();
  private readonly violations: Violation[] = [];
  private readonly faults: Readonly<Record<Fault, number>>;
  private readonly trace: (line: string) => void;
  private number = 0;
  /** One call in so many is where a person acts, or the device is killed. */
  private amidSteps: { readonly people: number; readonly crash: number };
  /** Each act makes work, and amid that work others may come: without a bound there is no end to it. */
  private actsLeft = 12;
  private isCalm = false;
  private isActing = false;

  constructor(seed: number, options: HistoryOptions = {}) {
    this.chance = new Chance(seed);
    this.amidChance = this.chance.fork();
    this.trace = options.trace ?? (() => {});
    this.faults = { ...FAULTS, ...options.faults };
    this.world = new MemoryDevices(seed);
    const crash = this.chance.pick([0, 0, 150, 60]);
    this.amidSteps = {
      people: this.chance.pick([0, 0, 100, 30]),
      crash: this.faults.kill + this.faults.powerLoss > 0 ? crash : 0,
    };
    const count = Math.min(options.maxDevices ?? 4, this.chance.pick([2, 2, 2, 3, 3, 4]));
    for (let i = 0; i < count; i++) this.addDevice(i);
    this.join();
  }

  async run(): Promise<HistoryResult> {
    for (const device of this.devices) {
      const isFilled = this.chance.oneIn(4);
      if (isFilled) for (let i = 0; i < 3; i++) this.personActs(device);
      device.start();
    }
    const steps = 4 + this.chance.below(30);
    for (let i = 0; i < steps && this.violations.length === 0; i++) {
      await this.step();
      await this.world.advance(this.chance.pick([0, 1, 5, 30, 120, 500, 2_500]));
    }
    if (this.violations.length === 0) await this.conclude();
    this.end();
    return { violations: this.violations, coverage: this.coverage };
  }

  // ---- what happens

  private async step(): Promise<void> {
    const device = this.chance.pick(this.devices);
    if (this.chance.next() < 0.7) {
      const times = this.chance.pick([1, 1, 2, 3, 5]);
      for (let i = 0; i < times; i++) this.personActs(device);
      return;
    }
    const fault = pickWeighted<Fault>(this.chance, this.faults);
    this.trace(`${this.world.clock.monotonicMs().toFixed(1)} ${device.id} ${fault}`);
    await this.happen(fault, device);
    this.checkBytes(device);
  }

  private async happen(fault: Fault, device: SimulatedDevice): Promise<void> {
    const { network } = this.world;
    const other = this.chance.pick(this.devices);
    switch (fault) {
      case 'cut':
      case 'mend':
        network[fault](`host-${device.id}`, `host-${other.id}`);
        break;
      case 'loss':
        network.setConditions(`host-${device.id}`, `host-${other.id}`, {
          lossRate: this.chance.pick([0, 0.05, 0.3]),
          latencyMs: this.chance.pick([0.2, 5, 80]),
          jitterMs: this.chance.pick([0, 3]),
        });
        break;
      case 'kill':
        if (!device.isRunning) return;
        this.copyIndex(device);
        device.kill();
        break;
      case 'powerLoss':
        this.losePower(device);
        return;
      case 'stop':
        if (!device.isRunning) return;
        await device.stop();
        break;
      case 'start':
        for (const each of this.devices) each.start();
        break;
      case 'indexLost':
        if (device.isRunning) device.kill();
        device.index = device.newIndex();
        this.ledger.forgetReplacements(device.id);
        break;
      case 'indexRestored': {
        const copy = this.copies.get(device);
        if (copy === undefined) return;
        device.kill();
        device.index = copy.clone();
        this.ledger.forgetReplacements(device.id);
        break;
      }
      case 'clockSet':
        device.skewMs = this.chance.pick([0, -5_000, 3_000, 600_000, -3_600_000]);
        break;
    }
    this.coverage.count(`fault ${fault}`);
  }

  private losePower(device: SimulatedDevice): void {
    const order = this.amidChance.pick(['journal', 'any'] as const);
    const { names, contents } = device.losePower({ random: this.amidChance.next, order });
    this.coverage.count(`fault powerLoss (${order})`);
    if (names > 0) this.coverage.count('fault powerLoss took names');
    if (contents > 0) this.coverage.count('fault powerLoss took contents');
    this.checkBytes(device);
  }

  private copyIndex(device: SimulatedDevice): void {
    if (this.chance.oneIn(2)) this.copies.set(device, device.index.clone());
  }

  private personActs(device: SimulatedDevice, certainty: 'certain' | 'amid-steps' = 'certain'): void {
    const done = this.people.get(device)?.act(certainty) ?? '';
    this.trace(
      `${this.world.clock.monotonicMs().toFixed(1)} ${done}${certainty === 'certain' ? '' : ' (amid steps)'}`,
    );
  }

  /** Before and after each call of a disk: people go on meanwhile, and a crash may come. */
  private amid(
    device: SimulatedDevice,
    moment: 'before' | 'after',
    call: string,
    path: string,
  ): string | undefined {
    if (this.isCalm || this.isActing) return undefined;
    const { people, crash } = this.amidSteps;
    if (people > 0 && this.actsLeft > 0 && this.amidChance.oneIn(people)) {
      this.actsLeft -= 1;
      this.isActing = true;
      this.coverage.count(`amid ${call}: a person acts`);
      this.personActs(device, 'amid-steps');
      this.isActing = false;
    }
    if (crash > 0 && this.amidChance.oneIn(crash)) {
      this.trace(
        `${this.world.clock.monotonicMs().toFixed(1)} ${device.id} crashes ${moment} ${call} ${path}`,
      );
      this.coverage.count(`amid ${call}: a crash ${moment}`);
      if (this.faults.powerLoss > 0 && this.amidChance.oneIn(2)) this.losePower(device);
      else device.kill();
      return GONE;
    }
    return undefined;
  }

  // ---- what has to be true

  private async conclude(): Promise<void> {
    this.isCalm = true;
    for (const a of this.devices) {
      for (const b of this.devices) {
        if (a !== b) this.world.network.mend(`host-${a.id}`, `host-${b.id}`);
      }
    }
    for (const device of this.devices) device.start();
    // What no watcher told is found by the next look at everything.
    await this.world.advance(MIN_SETTLE_MS);
    for (const device of this.devices) void device.hintEverything();
    let isSettled = false;
    for (let waited = 0; waited < MAX_SETTLE_MS && !isSettled; waited += SETTLE_STEP_MS) {
      await this.world.advance(SETTLE_STEP_MS);
      isSettled = this.looksSettled();
    }
    for (const device of this.devices) this.checkBytes(device);
    this.violations.push(...findDivergence(this.devices));
    const [first] = this.devices;
    if (first === undefined || this.violations.length > 0) return;
    this.violations.push(...findLossesAndReturns(first, this.ledger));
    const needless = countNeedlessCopies(first, this.ledger);
    if (needless > 0) this.coverage.count('outcome: a needless conflict copy', needless);
    if (describeTree(first.files).includes('.sync-conflict-'))
      this.coverage.count('outcome: conflict copies');
    await this.checkQuiet();
  }

  private async checkQuiet(): Promise<void> {
    // What is left over is cleared away within half a minute: that is not yet quiet.
    await this.world.advance(CLEARING_MS);
    const before = this.devices.map((device) => `${device.files.writes} ${device.sequence()}`);
    await this.world.advance(QUIET_MS);
    for (const [i, device] of this.devices.entries()) {
      const after = `${device.files.writes} ${device.sequence()}`;
      if (after === before[i]) continue;
      const text = `${device.id} wrote although nothing changed: ${before[i]} (disk, index), then ${after}`;
      this.violations.push({ promise: 'quiet', text });
    }
  }

  private looksSettled(): boolean {
    return this.devices.every(({ isIdle }) => isIdle) && findDivergence(this.devices).length === 0;
  }

  private checkBytes(device: SimulatedDevice): void {
    this.violations.push(...findForeignBytes(device, this.ledger));
  }

  // ---- the scene

  private addDevice(i: number): void {
    const chance = this.chance.fork();
    const device = new SimulatedDevice(
      this.world,
      {
        id: `DEV${String.fromCharCode(65 + i)}`,
        chance,
        skewMs: this.chance.pick([0, 0, 0, 50, -2_000, 90_000, -3_600_000]),
        granularityNs: this.chance.pick([1_000n, 1_000n, 4_000_000n, 1_000_000_000n]),
        lostHints: this.chance.pick([0, 0, 0.2]),
      },
      {
        at: (each, moment, call, path) => this.amid(each, moment, call, path),
        failed: (each, what, error) => {
          const text = `${each.id}, ${what}: ${error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error)}`;
          this.violations.push({ promise: 'no failure', text });
        },
      },
    );
    this.devices.push(device);
    this.people.set(
      device,
      new Person(device, chance.fork(), this.ledger, this.coverage, () => this.number++),
    );
  }

  /** Everybody knows everybody, or only the next one. */
  private join(): void {
    const isChain = this.devices.length > 2 && this.chance.oneIn(3);
    this.coverage.count(`devices ${this.devices.length}${isChain ? ' in a chain' : ''}`);
    for (const [i, device] of this.devices.entries()) {
      device.peers = this.devices
        .filter((other, j) => other !== device && (!isChain || Math.abs(i - j) === 1))
        .map(({ id }) => id);
    }
  }

  private end(): void {
    for (const device of this.devices) device.kill();
  }
}

const CLEARING_MS = 35_000;
const MIN_SETTLE_MS = 13_000;
