import { z } from 'zod';
import { ConfigError } from './config-error.js';
import { JsonFile } from './json-file.js';
import {
  isSettingKey,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
  type SettingValues,
} from './setting-definitions.js';

/** A setting as text, for people. */
export interface Setting {
  readonly key: string;
  readonly value: string;
  readonly default: string;
  readonly description: string;
}

export interface ChangedSetting extends Setting {
  /** False when it is in force only after the next start of a running daemon. */
  readonly applied: boolean;
}

type ChangeListener = (key: SettingKey) => void;

const fileSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/** The settings of this device. Only what was set stands in the file; everything else has its default. */
export class Settings {
  readonly #file: JsonFile<z.infer<typeof fileSchema>>;
  readonly #texts: Map<SettingKey, string>;
  readonly #listeners = new Set<ChangeListener>();

  /** Reads the file. Throws {@link ConfigError} `config-damaged`, naming the key or the line. */
  constructor(configFile: string) {
    this.#file = new JsonFile(configFile, fileSchema, {
      mend: `Correct it or remove what is wrong; without the file every setting has its default.`,
    });
    this.#texts = new Map();
    for (const [key, value] of Object.entries(this.#file.read() ?? {})) this.#take(key, String(value));
  }

  /** The value in force. */
  value<K extends SettingKey>(key: K): SettingValues[K] {
    const definition = SETTINGS[key];
    const text = this.#texts.get(key);
    return (text === undefined ? undefined : definition.parse(text)) ?? definition.defaultValue();
  }

  /** Throws {@link ConfigError} `usage` for a key that there is not. */
  get(key: string): Setting {
    return this.#describe(knownKey(key));
  }

  list(): readonly Setting[] {
    return SETTING_KEYS.map((key) => this.#describe(key));
  }

  /** Stores it before it returns. Throws {@link ConfigError} `usage`, or `home-not-writable`. */
  set(key: string, text: string): ChangedSetting {
    const known = knownKey(key);
    const canonical = canonicalText(known, text.trim());
    if (canonical === undefined) {
      throw new ConfigError('usage', `${known} does not take "${text}".`, {
        hint: `It takes ${SETTINGS[known].takes}.`,
      });
    }
    const next = new Map(this.#texts).set(known, canonical);
    this.#file.write(Object.fromEntries(next));
    this.#texts.set(known, canonical);
    for (const listener of this.#listeners) listener(known);
    return { ...this.#describe(known), applied: SETTINGS[known].appliesLive };
  }

  /** Calls back after every change; the returned function ends that. */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #take(key: string, text: string): void {
    if (!isSettingKey(key)) throw this.#file.damaged(`"${key}" is no setting`);
    if (canonicalText(key, text) === undefined) {
      throw this.#file.damaged(`"${key}" does not take "${text}"; it takes ${SETTINGS[key].takes}`);
    }
    this.#texts.set(key, text);
  }

  #describe(key: SettingKey): Setting {
    return {
      key,
      value: formatValue(key, this.value(key)),
      default: formatValue(key, SETTINGS[key].defaultValue()),
      description: SETTINGS[key].description,
    };
  }
}

function knownKey(key: string): SettingKey {
  if (isSettingKey(key)) return key;
  throw new ConfigError('usage', `There is no setting "${key}".`, {
    hint: `There are ${SETTING_KEYS.join(', ')}.`,
  });
}

function canonicalText<K extends SettingKey>(key: K, text: string): string | undefined {
  const value = SETTINGS[key].parse(text);
  return value === undefined ? undefined : formatValue(key, value);
}

function formatValue<K extends SettingKey>(key: K, value: SettingValues[K]): string {
  return SETTINGS[key].format(value);
}
