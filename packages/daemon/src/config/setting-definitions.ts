import { isIPv4, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { MASS_DELETE_DEFAULTS, type MassDeleteLimits } from '../core/guards/mass-delete.js';

/** How a setting is read from and written as text. `parse` returns undefined for what it does not take. */
interface SettingDefinition<T> {
  readonly description: string;
  /** The values it takes, in words. */
  readonly takes: string;
  readonly defaultValue: () => T;
  readonly parse: (text: string) => T | undefined;
  readonly format: (value: T) => string;
  /** In force at once in a running daemon; else after its next start. */
  readonly appliesLive: boolean;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ListenAddress {
  /** An IP literal. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface SettingValues {
  readonly name: string;
  readonly listen: ListenAddress;
  readonly discovery: boolean;
  readonly 'log.level': LogLevel;
  readonly rescanIntervalSeconds: number;
  readonly 'history.keepDays': number;
  readonly 'history.maxPercent': number;
  readonly 'guard.massDelete': MassDeleteLimits | 'off';
}

export type SettingKey = keyof SettingValues;

export const MAX_NAME_CHARACTERS = 64;
const DEFAULT_PORT = 22100;
const MAX_PORT = 65_535;
const HISTORY_DAYS = { min: 0, max: 3650, normal: 30 } as const;
const HISTORY_PERCENT = { min: 0, max: 50, normal: 10 } as const;
const RESCAN_SECONDS = { min: 5, max: 86_400, normal: 300 } as const;

/** Every setting there is: the one table that `config list`, the file and the documentation are made from. */
export const SETTINGS: { readonly [K in SettingKey]: SettingDefinition<SettingValues[K]> } = {
  name: {
    description: 'What other devices call this one.',
    takes: `1 to ${MAX_NAME_CHARACTERS} characters on one line`,
    defaultValue: () => parseName(hostname().split('.', 1)[0] ?? '') ?? 'device',
    parse: parseName,
    format: (name) => name,
    appliesLive: false,
  },
  listen: {
    description: 'Address and UDP port that other devices reach this one at.',
    takes: 'HOST:PORT with an IP address, such as 0.0.0.0:22100 or [::]:22100; port 0 lets the system choose',
    defaultValue: () => ({ host: '0.0.0.0', port: DEFAULT_PORT }),
    parse: parseListenAddress,
    format: ({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`,
    appliesLive: false,
  },
  discovery: {
    description: 'Whether paired devices find each other on the local network by themselves (mDNS).',
    takes: 'on or off',
    defaultValue: () => true,
    parse: parseSwitch,
    format: (isOn) => (isOn ? 'on' : 'off'),
    appliesLive: false,
  },
  'log.level': {
    description: 'How much the daemon writes into its log.',
    takes: LOG_LEVELS.join(', '),
    defaultValue: () => 'info',
    parse: (text) => LOG_LEVELS.find((level) => level === text),
    format: (level) => level,
    appliesLive: true,
  },
  rescanIntervalSeconds: {
    description: 'How often a folder is looked through whole, for changes that the system did not report.',
    takes: `whole seconds, ${RESCAN_SECONDS.min} to ${RESCAN_SECONDS.max}`,
    defaultValue: () => RESCAN_SECONDS.normal,
    parse: (text) => parseWholeNumber(text, RESCAN_SECONDS.min, RESCAN_SECONDS.max),
    format: String,
    appliesLive: true,
  },
  'history.keepDays': {
    description:
      'How many days what was replaced or deleted is kept: all of the last day, then one a day, then one a week.',
    takes: `whole days, ${HISTORY_DAYS.min} to ${HISTORY_DAYS.max}`,
    defaultValue: () => HISTORY_DAYS.normal,
    parse: (text) => parseWholeNumber(text, HISTORY_DAYS.min, HISTORY_DAYS.max),
    format: String,
    appliesLive: true,
  },
  'history.maxPercent': {
    description: 'How much of a disk the history of all folders on it may take; the oldest goes first.',
    takes: `whole percent, ${HISTORY_PERCENT.min} to ${HISTORY_PERCENT.max}`,
    defaultValue: () => HISTORY_PERCENT.normal,
    parse: (text) => parseWholeNumber(text, HISTORY_PERCENT.min, HISTORY_PERCENT.max),
    format: String,
    appliesLive: true,
  },
  'guard.massDelete': {
    description: 'When many files are deleted within ten minutes, they are held until you approve.',
    takes: "on, off, or a share of the folder and a number of files, both to be exceeded, such as '25%,100'",
    defaultValue: () => MASS_DELETE_DEFAULTS,
    parse: parseMassDelete,
    format: (value) => (value === 'off' ? 'off' : `${value.percent}%,${value.files}`),
    appliesLive: true,
  },
};

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

export function isSettingKey(text: string): text is SettingKey {
  return Object.hasOwn(SETTINGS, text);
}

/** A device's name or a folder's label: something that a person can read on one line. */
export function parseName(text: string): string | undefined {
  const name = text.trim().normalize('NFC');
  const length = [...name].length;
  return length > 0 && length <= MAX_NAME_CHARACTERS && !/\p{Cc}|\p{Zl}|\p{Zp}|\p{Cs}/u.test(name)
    ? name
    : undefined;
}

/** `HOST:PORT` with an IP literal; IPv6 in brackets. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d{1,5})$/.exec(text.trim());
  const port = parseWholeNumber(match?.[3] ?? '', 0, MAX_PORT);
  if (match === null || port === undefined) return undefined;
  const [, v6, v4] = match;
  if (v6 !== undefined) return isIPv6(v6) ? { host: v6, port } : undefined;
  return v4 !== undefined && isIPv4(v4) ? { host: v4, port } : undefined;
}

function parseMassDelete(text: string): MassDeleteLimits | 'off' | undefined {
  const isOn = parseSwitch(text);
  if (isOn !== undefined) return isOn ? MASS_DELETE_DEFAULTS : 'off';
  const match = /^(\d{1,3})\s*%\s*,\s*(\d{1,9})$/.exec(text.trim());
  const percent = parseWholeNumber(match?.[1] ?? '', 0, 100);
  const files = parseWholeNumber(match?.[2] ?? '', 0, 999_999_999);
  return percent === undefined || files === undefined ? undefined : { percent, files };
}

function parseSwitch(text: string): boolean | undefined {
  if (text === 'on' || text === 'true') return true;
  return text === 'off' || text === 'false' ? false : undefined;
}

function parseWholeNumber(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,9}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
