/** The clients of a run: processes that write, move and read, by the libraries that take part (test/interop/workload.ts). */
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { startHeadrace } from '../interop/headrace-process.ts';
import { startJava } from '../interop/java-peer.ts';
import type { ProcessPeer } from '../interop/process-peer.ts';
import { startPython } from '../interop/python-peer.ts';
import { until } from '../interop/until.ts';
import { nowUs } from './acknowledgements.ts';
import type { Cluster } from './cluster.ts';

export const INPUTS = ['in-0', 'in-1', 'in-2', 'in-3'];
export const OUTPUTS = ['out-0', 'out-1'];
export const FLOWS = ['flow-0', 'flow-1', 'flow-2', 'flow-3', 'flow-4', 'flow-5'];
export const KEYS = [...INPUTS, ...OUTPUTS, ...FLOWS];
/** Short ones expire while brokers are down, long ones live through it. */
export const TRANSACTION_TIMEOUTS_MS = [4_000, 10_000];
const IDS_PER_LIBRARY = 3;
/** What is changed from time to time, one step up each. */
const CHANGED_TOPIC = 'out';
const CHANGED_CONFIG = 'max.message.bytes';
const CHANGED_FROM = 900_000;
const SETTLING_MS_MAX = 60_000;
const VALUES_PER_PROCESS = 1_000_000_000;

/** Members of each process, by library: ours have two kinds of groups. */
const LIBRARIES = { java: 1, librdkafka: 1, headrace: 2 } as const;
/** A client may be killed while others go on. */
const WRITERS_MIN = 2;

export type Library = keyof typeof LIBRARIES;

/** Throws for a library that there is none of, and for runs that nobody could watch. */
export function librariesOf(names: string): Library[] {
  const libraries = names.split(',').map((name) => {
    if (!Object.hasOwn(LIBRARIES, name))
      throw new Error(`libraries are ${Object.keys(LIBRARIES).join(', ')}`);
    return name as Library;
  });
  if (libraries[0] === 'librdkafka') throw new Error('the first library observes: java or headrace');
  return libraries;
}

export interface ClientsPlan {
  readonly cluster: Cluster;
  readonly folder: string;
  readonly random: SimulatedRandom;
  /** Mean pause of each thread between two operations. */
  readonly pauseMs: number;
  /** Whose clients write; the first one also observes. */
  readonly libraries: readonly Library[];
  /** Where its library takes part. */
  readonly java: string | undefined;
  readonly python: string | undefined;
  readonly say: (what: string) => void;
}

interface Writer {
  readonly name: string;
  readonly library: Library;
  readonly peer: ProcessPeer;
  isPaused: boolean;
}

export class Clients {
  readonly paths: string[] = [];
  readonly writers: Writer[] = [];
  readonly #plan: ClientsPlan;
  #observer!: ProcessPeer;
  #processes = 0;
  readonly #configs = { asked: 0, acknowledged: 0, isBusy: false };

  constructor(plan: ClientsPlan) {
    this.#plan = plan;
  }

  async start(): Promise<void> {
    const { cluster, libraries } = this.#plan;
    const observing = libraries[0]!;
    this.#observer = await this.#launch(observing, cluster.bootstrap('direct'));
    const topics = Map.groupBy(KEYS, (key) => key.slice(0, key.lastIndexOf('-')));
    for (const [topic, keys] of topics) {
      await until(`the topic ${topic} is made`, () =>
        this.#observer.createTopic(topic, keys.length, {}).then(
          () => true,
          (error: Error) => {
            if (/TopicExists|TOPIC_ALREADY_EXISTS/.test(error.message)) return true;
            this.#plan.say(error.message);
            return false;
          },
        ),
      );
    }
    await this.#observer.call('workload', {
      ...this.#settings(observing, 'observer'),
      flows: [],
      wanderers: 1,
      readers: ['read_committed', 'read_uncommitted'],
    });
    const count = Math.max(WRITERS_MIN, libraries.length);
    for (let index = 0; index < count; index++) await this.startWriter(libraries[index % libraries.length]!);
  }

  /** Another process; half of them go through the wires. */
  async startWriter(library: Library): Promise<void> {
    const { cluster, random } = this.#plan;
    const settings = this.#settings(library, library);
    const peer = await this.#launch(library, cluster.bootstrap(random.chance(0.5) ? 'proxied' : 'direct'));
    this.writers.push({ name: settings.name, library, peer, isPaused: false });
    await peer.call('workload', { ...settings, writers: 2, movers: 1, members: LIBRARIES[library] });
  }

  async killWriter(writer: Writer): Promise<void> {
    writer.peer.signal('SIGKILL');
    this.writers.splice(this.writers.indexOf(writer), 1);
    await writer.peer.close();
  }

  /** Lets all writers end what they have begun; true when all did. */
  async stopWriters(): Promise<string[]> {
    const stuck: string[] = [];
    for (const { name, peer } of this.writers) {
      const answer = await peer.call('workloadStop', {});
      this.#plan.say(`${name}: ${JSON.stringify(answer.counts)}`);
      for (const one of answer.stuck) stuck.push(`${name}: ${one}`);
    }
    return stuck;
  }

  async stopObserver(): Promise<string[]> {
    return (await this.#observer.call('workloadStop', {})).stuck as string[];
  }

  close(): void {
    for (const { peer } of this.writers) {
      peer.signal('SIGKILL');
      void peer.close();
    }
    this.#observer?.signal('SIGKILL');
    void this.#observer?.close();
  }

  /** Asks for the next value of a topic's configuration, unless the last one is not answered yet. */
  changeConfig(): void {
    const configs = this.#configs;
    if (configs.isBusy) return;
    configs.isBusy = true;
    const value = ++configs.asked;
    this.#observer
      .alterTopicConfig(CHANGED_TOPIC, CHANGED_CONFIG, String(CHANGED_FROM + value))
      .then(
        () => (configs.acknowledged = value),
        (error: Error) => this.#plan.say(`a configuration is not changed: ${error.message}`),
      )
      .finally(() => (configs.isBusy = false));
  }

  /** G09: the last change that was acknowledged is there, or one that was asked for after it. Else what is there. */
  async lostConfig(): Promise<string | undefined> {
    const { asked, acknowledged } = this.#configs;
    const configs = await this.#observer.topicConfigs(CHANGED_TOPIC);
    const value = Number(configs[CHANGED_CONFIG]) - CHANGED_FROM;
    this.#plan.say(
      `${acknowledged} of ${asked} changes of a configuration are acknowledged, ${value} is there`,
    );
    if (acknowledged === 0 || (value >= acknowledged && value <= asked)) return undefined;
    return `change ${value} is there, though ${acknowledged} was acknowledged, and ${asked} asked for`;
  }

  note(line: object): void {
    appendFileSync(this.#path('driver'), `${JSON.stringify({ atUs: nowUs(), ...line })}\n`);
  }

  /** Waits until no transaction is open any more; the checks say what is stuck. */
  async settle(): Promise<void> {
    let open: string[] = [];
    const look = async (): Promise<boolean> => {
      try {
        const stable = await this.#observer.call('ends', { keys: KEYS, isolation: 'read_committed' });
        const ends = await this.#observer.call('ends', { keys: KEYS, isolation: 'read_uncommitted' });
        open = KEYS.filter((key) => stable[key] !== ends[key]);
      } catch (error) {
        this.#plan.say(`ends: ${String(error)}`);
        return false;
      }
      return open.length === 0;
    };
    await until('no transaction is open', look, { timeoutMs: SETTLING_MS_MAX, intervalMs: 300 }).catch(
      async () => {
        for (const key of open) this.#plan.say(`a transaction stays open in ${await this.#openIn(key)}`);
      },
    );
  }

  async #openIn(key: string): Promise<string> {
    const dash = key.lastIndexOf('-');
    const partition = { topic: key.slice(0, dash), partition: Number(key.slice(dash + 1)) };
    const producers: { openSince: number }[] = await this.#observer
      .call('producers', partition)
      .catch((error: unknown) => [{ openSince: 0, error: String(error) }]);
    return `${key}: ${JSON.stringify(producers.filter(({ openSince }) => openSince >= 0))}`;
  }

  /** Reads every key from its beginning to its end, as a consumer of its own. */
  async readToTheEnd(when: string): Promise<void> {
    const consumer = `reader ${when}`;
    const isolation = 'read_committed';
    const process = 'observer';
    const positions = Object.fromEntries(KEYS.map((key) => [key, 0]));
    this.note({ process, f: 'assign', type: 'ok', consumer, isolation, positions });
    for (const key of KEYS) {
      const read: Record<string, [number, string][]> = await this.#observer.call('readAll', {
        keys: [key],
        isolation,
      });
      const poll = Object.fromEntries(
        Object.entries(read).map(([at, records]) => [
          at,
          records.map(([offset, value]) => [offset, Number(value)]),
        ]),
      );
      this.note({ process, f: 'poll', type: 'ok', consumer, poll });
    }
    for (const level of ['read_uncommitted', 'read_committed']) {
      const offsets = await this.#observer.call('ends', { keys: KEYS, isolation: level });
      this.note({ process, f: 'ends', type: 'ok', isolation: level, offsets });
    }
  }

  #launch(library: Library, bootstrap: string): Promise<ProcessPeer> {
    const { java, python } = this.#plan;
    switch (library) {
      case 'java':
        return startJava(java!, bootstrap);
      case 'librdkafka':
        return startPython({ python: python!, client: 'confluent' }, bootstrap);
      case 'headrace':
        return startHeadrace(bootstrap);
    }
  }

  #settings(library: Library, label: string) {
    const { random, pauseMs, libraries } = this.#plan;
    this.#processes += 1;
    const name = `${label}-${this.#processes}`;
    return {
      name,
      file: this.#path(name),
      inputs: INPUTS,
      outputs: OUTPUTS,
      flows: FLOWS,
      // Producers of one library fence each other, and its movers take over from each other.
      ids: Array.from({ length: IDS_PER_LIBRARY }, (_, id) => `${library}-tx-${id}`),
      moved: INPUTS.filter((_, index) => libraries[index % libraries.length] === library),
      timeoutsMs: TRANSACTION_TIMEOUTS_MS,
      pauseMs,
      firstValue: this.#processes * VALUES_PER_PROCESS,
      seed: random.integer(2 ** 31),
      writers: 0,
      movers: 0,
      members: 0,
      wanderers: 0,
      readers: [] as string[],
    };
  }

  #path(name: string): string {
    const path = join(this.#plan.folder, `history-${name}.jsonl`);
    if (!this.paths.includes(path)) {
      if (existsSync(path)) throw new Error(`${path} is of another run`);
      appendFileSync(path, '');
      this.paths.push(path);
    }
    return path;
  }
}
