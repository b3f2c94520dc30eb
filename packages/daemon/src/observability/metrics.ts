export interface Counter {
  add(amount?: number): void;
  readonly value: number;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly read: () => number;
}

const NAME = /^[a-z][a-z0-9_]{0,99}$/;

/** Counts and readings of one daemon, by name. Names are chosen in the code, so there are only so many. */
export class Metrics {
  readonly #metrics = new Map<string, Metric>();

  /** Something that only grows. The same name gives the same counter. Throws RangeError for a bad name. */
  counter(name: string, help: string): Counter {
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    let value = 0;
    const counter: Counter = {
      add: (amount = 1) => {
        value += amount;
      },
      get value() {
        return value;
      },
    };
    this.#register({ name, help, type: 'counter', read: () => value });
    this.#counters.set(name, counter);
    return counter;
  }

  /** Something that is read when it is asked for. Throws RangeError for a bad name, or one that is taken. */
  gauge(name: string, help: string, read: () => number): void {
    this.#register({ name, help, type: 'gauge', read });
  }

  values(): ReadonlyMap<string, number> {
    return new Map([...this.#metrics.values()].map(({ name, read }) => [name, read()]));
  }

  /** In the Prometheus text format. */
  render(): string {
    return [...this.#metrics.values()]
      .map(({ name, help, type, read }) => {
        const text = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
        return `# HELP landropic_${name} ${text}\n# TYPE landropic_${name} ${type}\nlandropic_${name} ${read()}\n`;
      })
      .join('');
  }

  readonly #counters = new Map<string, Counter>();

  #register(metric: Metric): void {
    if (!NAME.test(metric.name) || this.#metrics.has(metric.name)) {
      throw new RangeError(`"${metric.name}" cannot name another metric`);
    }
    this.#metrics.set(metric.name, metric);
  }
}
