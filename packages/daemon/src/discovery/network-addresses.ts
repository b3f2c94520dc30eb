import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../core/ports/clock.js';

/** As `os.networkInterfaces` reports them. */
export type Interfaces = ReturnType<typeof networkInterfaces>;

const POLL_INTERVAL_MS = 5_000;

/**
 * Addresses at which other machines of the network may reach this one, IPv4 first. Link-local IPv6 is left out: it means
 * nothing without the name of the other side's interface.
 */
export function reachableAddresses(interfaces: Interfaces = networkInterfaces()): readonly string[] {
  const addresses = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter((each) => !each.internal && !isLinkLocal(each.address))
    .map((each) => each.address);
  return [...new Set(addresses)].sort((a, b) => Number(isIPv6(a)) - Number(isIPv6(b)));
}

/** Knows the networks that this machine is on. */
export class OnLink {
  readonly #networks = new BlockList();
  readonly #own = new Set<string>();

  constructor(interfaces: Interfaces = networkInterfaces()) {
    for (const each of Object.values(interfaces).flatMap((some) => some ?? [])) {
      this.#own.add(each.address);
      const prefix = Number(each.cidr?.split('/')[1]);
      // Every address is "in" a network without a prefix.
      if (!Number.isInteger(prefix) || prefix === 0 || isLinkLocal(each.address)) continue;
      this.#networks.addSubnet(each.address, prefix, each.family === 'IPv6' ? 'ipv6' : 'ipv4');
    }
  }

  /** True for addresses of those networks, loopback included; false for everything else, and for what is no address. */
  has(address: string): boolean {
    if (isIPv4(address)) return this.#networks.check(address, 'ipv4');
    return isIPv6(address) && !isLinkLocal(address) && this.#networks.check(address, 'ipv6');
  }

  /** True for the addresses of this machine itself. */
  isOwn(address: string): boolean {
    return this.#own.has(address) || isLoopback(address);
  }
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

export interface AddressWatchDependencies {
  readonly clock: Clock;
  readonly listInterfaces?: () => Interfaces;
}

/** Tells when the addresses of this machine change: a cable, another Wi-Fi, waking up elsewhere. No system event says so everywhere. */
export class AddressWatch {
  readonly #clock: Clock;
  readonly #listInterfaces: () => Interfaces;
  readonly #intervalMs: number;
  readonly #listeners = new Set<(addresses: readonly string[]) => void>();
  #fingerprint = '';
  #cancel: (() => void) | undefined;

  constructor(
    { clock, listInterfaces = networkInterfaces }: AddressWatchDependencies,
    options: { readonly intervalMs?: number } = {},
  ) {
    this.#clock = clock;
    this.#listInterfaces = listInterfaces;
    this.#intervalMs = options.intervalMs ?? POLL_INTERVAL_MS;
  }

  start(): void {
    if (this.#cancel !== undefined) return;
    this.#fingerprint = fingerprintOf(this.#listInterfaces());
    this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  onAddressesChanged(listener: (addresses: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #schedule(): void {
    this.#cancel = this.#clock.after(this.#intervalMs, () => {
      this.#schedule();
      this.#look();
    });
  }

  #look(): void {
    const interfaces = this.#listInterfaces();
    const fingerprint = fingerprintOf(interfaces);
    if (fingerprint === this.#fingerprint) return;
    this.#fingerprint = fingerprint;
    for (const listener of this.#listeners) listener(reachableAddresses(interfaces));
  }
}

function fingerprintOf(interfaces: Interfaces): string {
  return Object.entries(interfaces)
    .flatMap(([name, each]) => (each ?? []).map(({ cidr, address }) => `${name} ${cidr ?? address}`))
    .sort()
    .join('\n');
}
