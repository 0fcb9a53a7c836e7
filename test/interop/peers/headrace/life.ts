/**
 * What the roles of the workload share: how a process of the history notes what it does (test/workload/history.ts), what it
 * draws, and the clients that it works with. Lines are written at once and not kept in a buffer: the process may be killed.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isKafkaError } from '../../../../src/client/client.ts';
import { SimulatedRandom } from '../../../../src/runtime/simulated-random.ts';
import type { Line } from '../../../workload/history.ts';
import { type Access, commonAccess, ownAccess } from './access.ts';

/** What the harness asks for, by the names that all languages know. */
export interface Settings {
  readonly name: string;
  readonly file: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly flows?: readonly string[];
  readonly ids: readonly string[];
  /** The inputs of this library's movers. */
  readonly moved: readonly string[];
  readonly timeoutsMs: readonly number[];
  readonly pauseMs: number;
  readonly firstValue: number;
  readonly seed: number;
  readonly writers: number;
  readonly movers: number;
  readonly members?: number;
  readonly wanderers: number;
  readonly readers: readonly ('read_committed' | 'read_uncommitted')[];
}

/** A line without what every line has. */
export type Fields = { readonly f: Line['f'] } & Readonly<Record<string, unknown>>;

/** Of all lives of a process. */
export class Shared {
  readonly settings: Settings;
  readonly counts: Record<string, number> = {};
  isEnded = false;
  readonly #bootstrap: string;
  readonly #file: number;
  #lastValue: number;
  #lastName = 0;
  #common: Access | undefined;

  constructor(bootstrap: string, settings: Settings) {
    this.settings = settings;
    this.#bootstrap = bootstrap;
    this.#file = openSync(settings.file, 'a');
    this.#lastValue = settings.firstValue;
  }

  nextValue(): number {
    return ++this.#lastValue;
  }

  nextName(): string {
    return `${this.settings.name}-${++this.#lastName}`;
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  /** Half of all lives share a client, which knows the cluster from before; the others have one of their own. */
  access(random: SimulatedRandom): Access {
    const options = { bootstrap: this.#bootstrap, clientId: this.nextName() };
    if (random.chance(0.5)) return ownAccess(options);
    this.#common ??= commonAccess(options);
    return this.#common;
  }

  /** When all lives are over. */
  async close(): Promise<void> {
    await this.#common?.client.close();
  }
}

/** One process of the history, which does one thing at a time. */
export class Life {
  readonly shared: Shared;
  readonly process: string;
  readonly random: SimulatedRandom;
  /** What it waits for, for whoever asks why it does not end. */
  doing = 'nothing';

  constructor(shared: Shared, process: string) {
    this.shared = shared;
    this.process = process;
    this.random = new SimulatedRandom(`${shared.settings.seed} ${process}`);
  }

  get isEnded(): boolean {
    return this.shared.isEnded;
  }

  get settings(): Settings {
    return this.shared.settings;
  }

  get allKeys(): string[] {
    const { inputs, outputs, flows = [] } = this.settings;
    return [...inputs, ...outputs, ...flows];
  }

  note(type: Line['type'], fields: Fields): void {
    this.shared.write({ atUs: nowUs(), process: this.process, type, ...fields });
  }

  /** A name for a consumer or producer that nobody else has. */
  newName(): string {
    return `${this.process}-${this.shared.nextName()}`;
  }

  /** `promise`, with its name for as long as it takes. */
  async during<T>(doing: string, promise: Promise<T>): Promise<T> {
    this.doing = doing;
    try {
      return await promise;
    } finally {
      this.doing = 'nothing';
    }
  }

  /** Between two operations: twice the mean at most. */
  async pause(factor = 1): Promise<void> {
    const ms = this.random.integer(2 * this.settings.pauseMs * factor + 1);
    await this.during('a pause', delay(ms));
  }

  oneOf<T>(all: readonly T[]): T {
    return all[this.random.integer(all.length)]!;
  }

  /** Some of them, one at least, in no order. */
  some<T>(all: readonly T[]): T[] {
    const rest = [...all];
    return Array.from({ length: this.random.between(1, all.length) }, () => {
      const [one] = rest.splice(this.random.integer(rest.length), 1);
      return one!;
    });
  }
}

/** The system's monotonic clock, which all processes of a machine share. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

export function nameOf(error: unknown): string {
  if (isKafkaError(error)) return error.errorName;
  return error instanceof Error ? error.name : String(error);
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function partitionOf(key: string): { readonly topic: string; readonly partition: number } {
  const dash = key.lastIndexOf('-');
  return { topic: key.slice(0, dash), partition: Number(key.slice(dash + 1)) };
}

export function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}
