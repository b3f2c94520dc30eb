import Bonjour, { type Browser, type Service } from 'bonjour-service';
import type { DeviceKey } from '../core/model/identifiers.js';
import type { Clock, RandomBytes } from '../core/ports/clock.js';
import { readService, SERVICE_TYPE, TXT_VERSION } from './announced-service.js';
import type { Announcement, Discovery, FoundDevice } from './discovery.js';
import { OnLink } from './network-addresses.js';

export interface DiscoveryLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface MdnsDiscoveryDependencies {
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly log: DiscoveryLog;
  /** The canonical ID, or undefined for what is none. */
  readonly parseDeviceId: (text: string) => DeviceKey | undefined;
}

/** A browser forgets nothing and reports no new addresses, so it is replaced: soon after the start, then now and then. */
const BROWSE_DELAYS_MS = [2_000, 10_000, 60_000] as const;
const RETRY_DELAY_MS = 60_000;
const GOODBYE_TIMEOUT_MS = 500;
/** More services than any home has: whoever announces more is not listened to further. */
const MAX_SERVICES = 256;

type DeviceListener = (device: FoundDevice) => void;

/** One socket and what hangs on it. Made anew after a failure, and when the machine's addresses changed. */
interface Session {
  readonly bonjour: Bonjour;
  /** What the service is called: neither the name of the machine nor that of its owner, but a random one each time. */
  readonly instance: string;
  browser: Browser | undefined;
  service: Service | undefined;
}

/** What of bonjour-service's own multicast-dns object has to be reached: its errors come nowhere else. */
interface MulticastDns {
  emit(event: string, ...values: unknown[]): boolean;
  on(event: 'error' | 'warning', listener: (error: unknown) => void): void;
}

/** Discovery by multicast DNS. Nothing that the network or the system does to it reaches the rest of the daemon. */
export class MdnsDiscovery implements Discovery {
  readonly #deps: MdnsDiscoveryDependencies;
  readonly #listeners = new Set<DeviceListener>();
  /** By the name of the service, which is new with every start of a daemon. */
  readonly #found = new Map<string, FoundDevice>();
  readonly #told = new Set<string>();
  #session: Session | undefined;
  #announcement: Announcement | undefined;
  #problem: string | undefined;
  #cancelTimer: (() => void) | undefined;
  #browsings = 0;
  #isStarted = false;

  constructor(deps: MdnsDiscoveryDependencies) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#open();
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    this.#cancelTimer?.();
    this.#found.clear();
    await this.#close();
  }

  setAnnouncement(announcement: Announcement | undefined): void {
    const before = this.#announcement;
    if (before?.deviceId === announcement?.deviceId && before?.port === announcement?.port) return;
    this.#announcement = announcement;
    this.#announce();
  }

  /** With a new socket: memberships of multicast groups end with the addresses that they were joined on. */
  refresh(): void {
    if (!this.#isStarted) return;
    void this.#close();
    this.#open();
  }

  onDeviceFound(listener: DeviceListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  nearby(): readonly FoundDevice[] {
    return [...new Map([...this.#found.values()].map((device) => [device.deviceId, device])).values()];
  }

  problem(): string | undefined {
    return this.#problem;
  }

  #open(): void {
    try {
      const bonjour = new Bonjour({}, (error: unknown) => this.#note(error));
      const instance = Buffer.from(this.#deps.randomBytes(8)).toString('hex');
      this.#session = { bonjour, instance, browser: undefined, service: undefined };
      this.#contain(mdnsOf(bonjour), this.#session);
      this.#announce();
      this.#browsings = 0;
      this.#browse();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A packet that the library stumbles over throws out of the socket's event, where nobody could catch it. */
  #contain(mdns: MulticastDns, session: Session): void {
    const emit = mdns.emit.bind(mdns);
    mdns.emit = (event, ...values) => {
      try {
        return emit(event, ...values);
      } catch (error) {
        this.#note(error);
        return true;
      }
    };
    mdns.on('warning', (error) => this.#note(error));
    mdns.on('error', (error) => {
      if (this.#session === session) this.#fail(error);
    });
  }

  #announce(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#attempt(() => {
      session.service?.stop();
      session.service = undefined;
      if (this.#announcement === undefined) return;
      const { deviceId, port } = this.#announcement;
      session.service = session.bonjour.publish({
        name: session.instance,
        host: `${session.instance}.local`,
        type: SERVICE_TYPE,
        protocol: 'udp',
        port,
        txt: { id: deviceId, v: TXT_VERSION },
        // The name is random, so there is nobody to ask whether it is taken.
        probe: false,
      });
    });
  }

  #browse(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#attempt(() => {
      session.browser?.stop();
      session.browser?.removeAllListeners();
      const browser = session.bonjour.find({ type: SERVICE_TYPE, protocol: 'udp' });
      session.browser = browser;
      const heard = new Set<string>();
      browser.on('up', (service) => this.#hear(service, browser, heard));
      browser.on('srv-update', (service) => this.#hear(service, browser, heard));
      browser.on('txt-update', (service) => this.#hear(service, browser, heard));
      browser.on('down', (service) => this.#found.delete(service.fqdn));
      this.#scheduleBrowsing(heard);
    });
  }

  #scheduleBrowsing(heard: ReadonlySet<string>): void {
    this.#cancelTimer?.();
    const delayMs =
      BROWSE_DELAYS_MS[Math.min(this.#browsings++, BROWSE_DELAYS_MS.length - 1)] ?? RETRY_DELAY_MS;
    this.#cancelTimer = this.#deps.clock.after(delayMs, () => {
      // Whoever did not answer for the longest of these times is gone, or will be heard again.
      if (delayMs === BROWSE_DELAYS_MS.at(-1)) {
        for (const name of this.#found.keys()) if (!heard.has(name)) this.#found.delete(name);
      }
      this.#browse();
    });
  }

  #hear(service: Service, browser: Browser, heard: Set<string>): void {
    if (browser.services.length > MAX_SERVICES || this.#found.size > MAX_SERVICES) {
      browser.stop();
      this.#note(new Error('more services are announced than any network of this kind has'));
      return;
    }
    const device = readService(service, {
      parseDeviceId: this.#deps.parseDeviceId,
      ownDevice: this.#announcement?.deviceId,
      onLink: new OnLink(),
    });
    if (device === undefined) return;
    heard.add(service.fqdn);
    const before = this.#found.get(service.fqdn);
    this.#found.set(service.fqdn, device);
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(device)) return;
    this.#deps.log.debug({ device: device.deviceId, addresses: device.addresses }, 'found a device');
    for (const listener of this.#listeners) listener(device);
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The socket is of no use any more: without discovery for a minute, then another attempt. */
  #fail(error: unknown): void {
    if (!this.#isStarted) return;
    this.#problem = `Devices nearby cannot be found: ${textOf(error)}.`;
    this.#tell(`failed: ${textOf(error)}`, () =>
      this.#deps.log.warn({ err: error }, 'discovery does not work; trying again every minute'),
    );
    void this.#close();
    this.#cancelTimer?.();
    this.#cancelTimer = this.#deps.clock.after(RETRY_DELAY_MS, () => {
      this.#problem = undefined;
      this.#open();
    });
  }

  #note(error: unknown): void {
    this.#tell(textOf(error), () => this.#deps.log.info({ err: error }, 'discovery met with a problem'));
  }

  /** The library reports the same thing every few seconds; once is enough. */
  #tell(text: string, write: () => void): void {
    if (this.#told.has(text) || this.#told.size >= MAX_SERVICES) return;
    this.#told.add(text);
    write();
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    session.browser?.stop();
    session.browser?.removeAllListeners();
    await new Promise<void>((resolve) => {
      const giveUp = this.#deps.clock.after(GOODBYE_TIMEOUT_MS, resolve);
      const done = (): void => {
        giveUp();
        resolve();
      };
      try {
        session.bonjour.unpublishAll(done);
      } catch {
        done();
      }
    });
    try {
      session.bonjour.destroy();
    } catch (error) {
      this.#note(error);
    }
  }
}

function mdnsOf(bonjour: Bonjour): MulticastDns {
  return (bonjour as unknown as { readonly server: { readonly mdns: MulticastDns } }).server.mdns;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
