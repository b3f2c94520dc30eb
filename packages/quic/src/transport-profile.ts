/**
 * What a connection is tuned for. Take one of the named profiles, or one with changes: `{ ...lan, idleTimeoutMs: 5_000 }`.
 * The windows are upper bounds: quiche starts at `initial…` and doubles while the application keeps up. What a peer can
 * make us hold is bounded by the connection window.
 */
export interface TransportProfile {
  /** Bidirectional streams that the peer may have open at once. */
  readonly maxBidiStreams: number;
  readonly maxUniStreams: number;
  /** At least 64 KiB: less would never be granted anew while a sender keeps room for control. */
  readonly initialStreamWindowBytes: number;
  readonly maxStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  readonly maxConnectionWindowBytes: number;
  /** Silence after which a connection is over; the shorter of both sides' counts. */
  readonly idleTimeoutMs: number;
  /** Silence after which we ask for a sign of life; well below half the idle timeout. */
  readonly keepAliveMs: number;
  readonly congestionControl: 'bbr' | 'cubic' | 'reno';
  /** Bytes queued on one stream above which `write` waits. */
  readonly sendHighWaterBytes: number;
  /**
   * Packets sent under one key at most; then the connection is given up, for a fresh one to replace it. Default 2²³, the
   * limit of AES-GCM (RFC 9001, 6.6): the binding cannot change keys.
   */
  readonly maxPacketsPerKey?: number;
}

const KIB = 1024;
const MIB = 1024 * 1024;

/** Few peers, a local network, many files at once: the default. */
export const fileSync: TransportProfile = {
  maxBidiStreams: 1_024,
  maxUniStreams: 64,
  initialStreamWindowBytes: MIB,
  maxStreamWindowBytes: 16 * MIB,
  initialConnectionWindowBytes: 16 * MIB,
  maxConnectionWindowBytes: 64 * MIB,
  idleTimeoutMs: 30_000,
  keepAliveMs: 10_000,
  congestionControl: 'bbr',
  sendHighWaterBytes: MIB,
};

/**
 * Round trips below a millisecond, and a peer that is missed quickly: 1 MiB under way fills 10 Gbit/s, so windows stay
 * small and dead peers are noticed within ten seconds.
 */
export const lan: TransportProfile = {
  maxBidiStreams: 1_024,
  maxUniStreams: 256,
  initialStreamWindowBytes: MIB,
  maxStreamWindowBytes: 8 * MIB,
  initialConnectionWindowBytes: 8 * MIB,
  maxConnectionWindowBytes: 32 * MIB,
  idleTimeoutMs: 10_000,
  keepAliveMs: 3_000,
  congestionControl: 'bbr',
  sendHighWaterBytes: MIB,
};

/**
 * Long round trips: 1 Gbit/s at 200 ms has 25 MB under way, so one stream may have 32 MiB. Addresses behind NAT are kept
 * open by a packet every 15 s (RFC 4787 lets bindings go after 30 s in practice), and outages of a minute are survived.
 */
export const wan: TransportProfile = {
  maxBidiStreams: 256,
  maxUniStreams: 256,
  initialStreamWindowBytes: 2 * MIB,
  maxStreamWindowBytes: 32 * MIB,
  initialConnectionWindowBytes: 16 * MIB,
  maxConnectionWindowBytes: 128 * MIB,
  idleTimeoutMs: 60_000,
  keepAliveMs: 15_000,
  congestionControl: 'bbr',
  sendHighWaterBytes: 4 * MIB,
};

/** Many connections, or a small machine: at most 1 MiB held for a peer that does not behave. Some 25 MB/s a stream at 10 ms. */
export const lowMemory: TransportProfile = {
  maxBidiStreams: 64,
  maxUniStreams: 16,
  initialStreamWindowBytes: 64 * KIB,
  maxStreamWindowBytes: 256 * KIB,
  initialConnectionWindowBytes: 256 * KIB,
  maxConnectionWindowBytes: MIB,
  idleTimeoutMs: 30_000,
  keepAliveMs: 10_000,
  congestionControl: 'bbr',
  sendHighWaterBytes: 64 * KIB,
};

/** The profiles by name, for settings. */
export const transportProfiles = { fileSync, lan, wan, lowMemory } as const;

export type TransportProfileName = keyof typeof transportProfiles;
