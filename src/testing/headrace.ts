/**
 * What the package offers as `headrace/testing`: a broker inside a process, for tests, with any runner.
 *
 *     await using headrace = await Headrace.start();
 *
 * It is the real broker on a real socket; only its data is in memory, unless a folder is asked for. It can be told to fail
 * (`faults`), its time can be moved (`advance`), and it helps with what a test does besides: topics, records, waiting.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../base/ports.ts';
import { startBroker, type Broker } from '../broker/broker.ts';
import { Client, type ClientOptions, type ConsumerRecord, type NewTopic } from '../client/client.ts';
import type { SentRange, TopicPartition } from '../client/client.ts';
import { silentLogger } from '../runtime/silent-logger.ts';
import { memoryDisk } from '../runtime/memory-disk.ts';
import { realPorts } from '../runtime/ports.ts';
import { startThread } from '../runtime/threads.ts';
import { Faults, HELPER_CLIENT_ID } from './faults.ts';
import { MovableTime } from './movable-time.ts';
import { Observer, type TestRecord, type WaitOptions } from './observer.ts';

export type { ApiName, ErrorName, Fault, FaultedRequest, FaultOptions } from './faults.ts';
export type { Faults } from './faults.ts';
export type { TestRecord, WaitOptions } from './observer.ts';

export interface HeadraceOptions {
  /** The port on 127.0.0.1; a free one unless given. */
  readonly port?: number;
  /**
   * `memory` (the default), `temporary` for a folder that `stop` removes, or the path of a folder that stays: starting
   * on it again finds what was there.
   */
  readonly data?: 'memory' | 'temporary' | { readonly directory: string };
  /** Settings by Kafka's names, for example `{ 'num.partitions': 3 }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Where the broker logs; nowhere unless given. */
  readonly logger?: Logger;
}

/** What differs from a broker's defaults: a test's first group member need not wait for others to join. */
const TEST_SETTINGS: readonly (readonly [string, string])[] = [['group.initial.rebalance.delay.ms', '0']];
const CLEANER_THREAD = new URL('../../bin/cleaner-thread.ts', import.meta.url);
/** A path inside the disk in memory. */
const MEMORY_DIRECTORY = '/headrace';

interface Parts {
  readonly faults: Faults;
  readonly time: MovableTime;
  readonly temporary: string | undefined;
}

export class Headrace implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Makes requests fail, wait, or break their connection. */
  readonly faults: Faults;
  readonly #broker: Broker;
  readonly #time: MovableTime;
  readonly #temporary: string | undefined;
  readonly #clients: Client[] = [];
  #observer: Observer | undefined;

  private constructor(broker: Broker, parts: Parts) {
    this.host = broker.address.host;
    this.port = broker.address.port;
    this.faults = parts.faults;
    this.#broker = broker;
    this.#time = parts.time;
    this.#temporary = parts.temporary;
  }

  /** Resolves when clients are served. Rejects with a ConfigurationError that names a wrong setting. */
  static async start(options: HeadraceOptions = {}): Promise<Headrace> {
    const { data = 'memory', logger = silentLogger() } = options;
    const real = realPorts({ logger });
    const temporary = data === 'temporary' ? mkdtempSync(join(tmpdir(), 'headrace-')) : undefined;
    const directory = typeof data === 'object' ? data.directory : (temporary ?? MEMORY_DIRECTORY);
    const time = new MovableTime(real);
    const faults = new Faults();
    const { clock, timers } = time;
    const disk = data === 'memory' ? memoryDisk({ clock }) : real.disk;
    const ports = { ...real, clock, timers, disk };
    const configs = new Map<string, string>(TEST_SETTINGS);
    configs.set('listeners', `PLAINTEXT://127.0.0.1:${options.port ?? 0}`);
    configs.set('log.dirs', directory);
    for (const [name, value] of Object.entries(options.settings ?? {})) configs.set(name, String(value));
    try {
      // What is in memory no other thread sees.
      const threads = data === 'memory' ? {} : { startCleanerThread: () => startThread(CLEANER_THREAD) };
      const broker = await startBroker({
        ports,
        configs,
        ...threads,
        interposes: (sink) => faults.interpose(sink, real.timers),
      });
      return new Headrace(broker, { faults, time, temporary });
    } catch (error) {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /** `host:port`, as clients want it. */
  get bootstrap(): string {
    return `${this.host}:${this.port}`;
  }

  /** A client of this broker, which `stop` closes unless that has been done before. */
  client(options: Omit<ClientOptions, 'bootstrap'> = {}): Client {
    const client = new Client({ bootstrap: this.bootstrap, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Errors: TOPIC_ALREADY_EXISTS and its like, as KafkaError. */
  createTopic(topic: string, options?: Omit<NewTopic, 'topic'>): Promise<void> {
    return this.#observing.createTopic(topic, options);
  }

  /** Writes values, or records; resolves when they are acknowledged, with their offsets. */
  produce(topic: string, records: readonly TestRecord[]): Promise<SentRange[]> {
    return this.#observing.produce(topic, records);
  }

  /** The records of a topic, or of one partition, from the oldest on; waits until there are `count` (1). */
  records(
    topic: string,
    options?: WaitOptions & { readonly count?: number; readonly partition?: number },
  ): Promise<ConsumerRecord[]> {
    return this.#observing.records(topic, options);
  }

  /** How many records of a topic a group has not committed yet. */
  lag(group: string, topic: string): Promise<number> {
    return this.#observing.lag(group, topic);
  }

  /** Waits until a group is no more than `lag` (0) records behind in a topic. */
  untilLag(
    group: string,
    options: WaitOptions & { readonly topic: string; readonly lag?: number },
  ): Promise<void> {
    return this.#observing.untilLag(group, options);
  }

  /** Waits until a group has committed this offset, or a later one. */
  untilCommitted(
    group: string,
    options: WaitOptions & TopicPartition & { readonly offset: number },
  ): Promise<void> {
    return this.#observing.untilCommitted(group, options);
  }

  /** Waits until a group has so many members and its rebalance is over. */
  untilMembers(group: string, count: number, options?: WaitOptions): Promise<void> {
    return this.#observing.untilMembers(group, count, options);
  }

  /**
   * Moves the broker's time forward by `ms`: sessions and transactions time out, records get too old, as if so much time had
   * passed. Clients keep their own time: a member that is alive rejoins. Resolves when all timers that became due were called.
   */
  advance(ms: number): Promise<void> {
    return this.#time.advance(ms);
  }

  /** Stops cleanly. May be called more than once. */
  async stop(): Promise<void> {
    this.faults.clear();
    await Promise.allSettled(this.#clients.splice(0).map((client) => client.close()));
    await this.#broker.stop();
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  get #observing(): Observer {
    return (this.#observer ??= new Observer(this.client({ clientId: HELPER_CLIENT_ID })));
  }
}
