/** What the actors of a simulated world share: time, chance, the broker's address, the history, and when to stop. */
import { Errors, errorName } from '../../src/protocol/errors.ts';
import { SimulatedProcess, type SimulatedTime } from '../../src/runtime/simulated-clock.ts';
import type { SimulatedNetwork } from '../../src/runtime/simulated-network.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Network } from '../../src/base/ports.ts';
import type { Asking } from './asking.ts';
import { SimClient, UnknownOutcome } from './client.ts';
import type { History, SimTopic } from './history.ts';

export const BROKER_HOST = 'broker';
export const BROKER_PORT = 19_092;
/** After an unknown outcome: whatever is still on its way has arrived by then, or never will. */
export const SETTLING_MS = 20_000;

/** `faults`: everything may happen. `drain`: nothing new, and what was begun is brought to its end. */
export type Phase = 'faults' | 'drain' | 'over';

/** `network`: of the client's host. */
export type ClientMaker = (of: { readonly name: string; readonly network: Network }) => Asking;

export class Stage {
  readonly time: SimulatedTime;
  readonly network: SimulatedNetwork;
  readonly random: SimulatedRandom;
  readonly history: History;
  /** Topics that clients may write to and read. */
  readonly topics: SimTopic[] = [];
  /** The broker's log.dirs. */
  directories: readonly string[] = [];
  phase: Phase = 'faults';
  /** How often the broker was started. */
  life = 0;
  /** Counts answers by their errors, and the outcomes that stayed unknown. */
  readonly answers = new Map<string, number>();
  /** Every producer id that was given out. */
  readonly producerIds = new Set<number>();
  /** Every topic id that was given out. */
  readonly topicIds = new Set<string>();
  /** Topics whose partitions are shared out once and for all. */
  readonly #fixed = new Set<SimTopic>();
  /** The wall clock at virtual time 0. */
  readonly startMs = Date.UTC(2026, 0, 1);
  readonly #clients: Asking[] = [];
  readonly #makeClient: ClientMaker;

  /** `makeClient`: of a cluster; without it there is one broker. */
  constructor(
    parts: Pick<Stage, 'time' | 'network' | 'random' | 'history'>,
    makeClient: ClientMaker = ({ name, network }) =>
      new SimClient({ name, network, time: parts.time, host: BROKER_HOST, port: BROKER_PORT }),
  ) {
    this.#makeClient = makeClient;
    this.time = parts.time;
    this.network = parts.network;
    this.random = parts.random;
    this.history = parts.history;
  }

  /** On a host of its own. */
  client(name: string): Asking {
    const host = `client${this.#clients.length + 1}`;
    const network = this.network.port(host, new SimulatedProcess(this.time));
    const client = this.#makeClient({ name, network });
    this.#clients.push(client);
    return client;
  }

  /** Answers that a blocked link holds back would tell of records that a power cut has taken since. */
  forgetAnswers(): void {
    for (const client of this.#clients) client.disconnect();
  }

  fix(topic: SimTopic): void {
    this.#fixed.add(topic);
  }

  isFixed(topic: SimTopic): boolean {
    return this.#fixed.has(topic);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.time.schedule(ms, resolve));
  }

  /** Notes an answer for the statistics. */
  note(what: string, errorCode: number): void {
    const name = `${what} ${errorName(errorCode)}`;
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
  }

  /** Tries until there is an answer that is no error, or the world is over. */
  async until<T>(
    what: string,
    random: SimulatedRandom,
    attempt: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    while (this.phase !== 'over') {
      try {
        const result = await attempt();
        if (result !== undefined) return result;
      } catch (error) {
        this.unknown(what, error);
      }
      await this.sleep(random.between(10, 400));
    }
    return undefined;
  }

  /** What an actor throws is a fault of the test, and an anomaly. */
  async guarded(what: string, end: Promise<unknown>): Promise<void> {
    try {
      await end;
    } catch (error) {
      this.history.anomaly('actor failed', `${what}: ${String((error as Error)?.stack ?? error)}`);
    }
  }

  /** Lets time go on until it is done; that it takes longer is an anomaly. */
  async mustHappen(what: string, end: Promise<unknown>, withinMs: number): Promise<void> {
    let isDone = false;
    void this.guarded(what, end).then(() => (isDone = true));
    if (await this.time.runUntil(() => isDone, withinMs)) return;
    this.history.anomaly('stuck', `${what} within ${withinMs} ms`);
  }

  /** For catch clauses: an unknown outcome is counted, anything else is a fault of the test. */
  unknown(what: string, error: unknown): void {
    if (!(error instanceof UnknownOutcome)) throw error;
    this.note(`${what} unknown:`, Errors.NONE);
  }
}
