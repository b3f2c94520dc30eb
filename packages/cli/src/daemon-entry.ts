import type { Setting } from '@landropic/daemon/local-api';

export interface Settings {
  get(key: string): Setting;
  set(key: string, value: string): Setting;
  list(): readonly Setting[];
}

/** The daemon's public entry, as far as the CLI uses it. */
export interface DaemonEntry {
  initialiseHome(options: {
    name?: string;
  }): Promise<{ home: string; deviceId: string; name: string; created: boolean }>;
  runDaemon(options: {
    listen?: string;
    discovery?: boolean;
    foreground: boolean;
    signal: AbortSignal;
    onReady?(info: { deviceId: string; listen: string; pid: number }): void;
  }): Promise<void>;
  readDeviceId(home?: string): string;
  openSettings(home?: string): Settings;
}

/** Loaded only by the commands that work without a running daemon: it brings SQLite, QUIC and the rest along. */
export async function loadDaemon(): Promise<DaemonEntry> {
  return (await import('@landropic/daemon')) as unknown as DaemonEntry;
}
