/**
 * Drives the transaction workload with real clients: some processes that write, move and read in transactions, while the
 * broker and the clients are killed and paused at random times. Answers with the history of all of them.
 */
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import { type Line, readHistory } from '../workload/history.ts';
import type { ProcessPeer } from './process-peer.ts';
import type { Target } from './target.ts';
import { until } from './until.ts';

const INPUTS = ['in-0', 'in-1', 'in-2', 'in-3'];
const OUTPUTS = ['out-0', 'out-1'];
const IDS_PER_CLIENT = 4;
/** Short ones expire while the broker is down, long ones live through it. */
export const TRANSACTION_TIMEOUTS_MS = [2_500, 6_000];
/** What the broker is told to look for transactions that have expired (Kafka's default: 10 s). */
export const EXPIRY_INTERVAL_MS = 500;
/** Of the broker; the longest outlives the short timeouts. */
const PAUSE_MS_MAX = 6_000;
/** After the last writer has ended and the last timeout is over. */
const SETTLING_MS_MAX = 30_000;
const VALUES_PER_PROCESS = 1_000_000_000;

export interface WorkloadPlan {
  readonly seconds: number;
  readonly seed: string;
  /** Mean pause of a writer between two transactions. */
  readonly pauseMs: number;
  /** The broker is killed, too, and not only paused. */
  readonly kills: boolean;
  readonly target: Target;
  /** Where the histories are written. */
  readonly folder: string;
  /** Ways to start a process of clients; the first one also reads along and is never disturbed. */
  readonly clients: readonly {
    readonly name: string;
    readonly start: (bootstrap: string) => Promise<ProcessPeer>;
  }[];
  readonly say: (what: string) => void;
}

export interface WorkloadResult {
  readonly lines: Line[];
  readonly paths: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
}

export async function runWorkload(plan: WorkloadPlan): Promise<WorkloadResult> {
  const drive = new Drive(plan);
  try {
    return await drive.run();
  } finally {
    await drive.close();
  }
}

interface Process {
  readonly name: string;
  readonly peer: ProcessPeer;
}

class Drive {
  readonly #plan: WorkloadPlan;
  readonly #random: SimulatedRandom;
  readonly #paths: string[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #writers: Process[] = [];
  #observer: ProcessPeer | undefined;
  #processes = 0;

  constructor(plan: WorkloadPlan) {
    this.#plan = plan;
    this.#random = new SimulatedRandom(`workload ${plan.seed}`);
    mkdirSync(plan.folder, { recursive: true });
  }

  async run(): Promise<WorkloadResult> {
    const { clients, seconds, target, say } = this.#plan;
    const observer = await clients[0]!.start(target.bootstrap);
    this.#observer = observer;
    await observer.createTopic('in', INPUTS.length, {});
    await observer.createTopic('out', OUTPUTS.length, {});
    await observer.call('workload', {
      ...this.#settings('observer'),
      wanderers: 1,
      readers: ['read_committed', 'read_uncommitted'],
    });
    for (const client of clients) await this.#startWriter(client);
    await this.#injectFaults(Date.now() + seconds * 1000);
    for (const { name, peer } of this.#writers) {
      const { counts, stuck } = await peer.call('workloadStop', {});
      say(`${name}: ${JSON.stringify(counts)}`);
      if (stuck.length > 0) throw new Error(`${name} does not end: ${stuck.join('\n')}`);
    }
    await this.#settle(observer);
    const { stuck } = await observer.call('workloadStop', {});
    if (stuck.length > 0) throw new Error(`the observer does not end: ${stuck.join('\n')}`);
    await this.#readToTheEnd(observer, 'after the faults');
    await target.kill();
    await target.restart();
    await this.#settle(observer);
    await this.#readToTheEnd(observer, 'after another SIGKILL');
    this.#note({ process: 'observer', f: 'complete', type: 'ok' });
    return { lines: await readHistory(this.#paths), paths: this.#paths, faults: this.#faults };
  }

  async close(): Promise<void> {
    for (const { peer } of this.#writers) {
      peer.signal('SIGKILL');
      await peer.close();
    }
    await this.#observer?.close();
  }

  async #startWriter(client: WorkloadPlan['clients'][number]): Promise<void> {
    const peer = await client.start(this.#plan.target.bootstrap);
    const settings = this.#settings(client.name);
    this.#writers.push({ name: settings.name, peer });
    await peer.call('workload', { ...settings, writers: 3, movers: 2 });
  }

  #settings(client: string) {
    this.#processes += 1;
    const names = [...new Set(this.#plan.clients.map((each) => each.name))];
    const name = `${client}-${this.#processes}`;
    return {
      name,
      file: this.#path(name),
      inputs: INPUTS,
      outputs: OUTPUTS,
      // Producers of one library fence each other, and its movers take over from each other.
      ids: Array.from({ length: IDS_PER_CLIENT }, (_, id) => `${client}-tx-${id}`),
      moved: INPUTS.filter((_, index) => names[index % names.length] === client),
      timeoutsMs: TRANSACTION_TIMEOUTS_MS,
      pauseMs: this.#plan.pauseMs,
      firstValue: this.#processes * VALUES_PER_PROCESS,
      seed: this.#random.integer(2 ** 31),
      writers: 0,
      movers: 0,
      wanderers: 0,
      readers: [] as string[],
    };
  }

  #path(name: string): string {
    const path = join(this.#plan.folder, `history-${name}.jsonl`);
    if (!this.#paths.includes(path)) {
      if (existsSync(path)) throw new Error(`${path} is of another run`);
      this.#paths.push(path);
    }
    return path;
  }

  #note(line: object): void {
    appendFileSync(this.#path('driver'), `${JSON.stringify({ atUs: nowUs(), ...line })}\n`);
  }

  #fault(what: 'down' | 'up', how: string): void {
    this.#note({ process: 'nemesis', f: 'fault', type: 'ok', what, how });
    if (what === 'down') this.#faults[how] = (this.#faults[how] ?? 0) + 1;
  }

  async #injectFaults(endsAtMs: number): Promise<void> {
    const random = this.#random.fork('faults');
    const { target, kills } = this.#plan;
    for (;;) {
      await delay(Math.min(random.between(300, 3_000), Math.max(0, endsAtMs - Date.now())));
      if (Date.now() >= endsAtMs) return;
      const kind = random.integer(10);
      if (kind < 4 && kills) {
        this.#fault('down', 'kill');
        await target.kill();
        await delay(random.chance(0.5) ? 0 : random.between(0, 4_000));
        await target.restart();
        this.#fault('up', 'kill');
      } else if (kind < 6) {
        this.#fault('down', 'pause');
        target.pause();
        await delay(random.between(100, PAUSE_MS_MAX));
        target.resume();
        this.#fault('up', 'pause');
      } else await this.#disturb(random, kind < 8 ? 'client pause' : 'client kill');
    }
  }

  /** A client that goes on after a pause finds that others have taken its transactional id. */
  async #disturb(random: SimulatedRandom, how: 'client pause' | 'client kill'): Promise<void> {
    const index = random.integer(this.#writers.length);
    const { peer } = this.#writers[index]!;
    this.#faults[how] = (this.#faults[how] ?? 0) + 1;
    if (how === 'client kill') {
      peer.signal('SIGKILL');
      this.#writers.splice(index, 1);
      await peer.close();
      const { clients } = this.#plan;
      await this.#startWriter(clients[random.integer(clients.length)]!);
    } else {
      peer.signal('SIGSTOP');
      await delay(random.between(500, 5_000));
      peer.signal('SIGCONT');
    }
  }

  /** What was left open must be aborted by its timeout, or the last stable offsets stay where they are. */
  async #settle(observer: ProcessPeer): Promise<void> {
    const keys = [...INPUTS, ...OUTPUTS];
    const look = async (): Promise<boolean> => {
      const stable = await observer.call('ends', { keys, isolation: 'read_committed' });
      const ends = await observer.call('ends', { keys, isolation: 'read_uncommitted' });
      return keys.every((key) => stable[key] === ends[key]);
    };
    const timeoutMs = Math.max(...TRANSACTION_TIMEOUTS_MS) + EXPIRY_INTERVAL_MS + SETTLING_MS_MAX;
    // The checks say what is stuck; here it is only waited for.
    await until('no transaction is open', look, { timeoutMs }).catch(() => {});
    await delay(200);
  }

  async #readToTheEnd(observer: ProcessPeer, when: string): Promise<void> {
    const keys = [...INPUTS, ...OUTPUTS];
    const consumer = `reader ${when}`;
    const isolation = 'read_committed';
    const positions = Object.fromEntries(keys.map((key) => [key, 0]));
    const process = 'observer';
    this.#note({ process, f: 'assign', type: 'ok', consumer, isolation, positions });
    const read: Record<string, [number, string][]> = await observer.call('readAll', { keys, isolation });
    const poll = Object.fromEntries(
      Object.entries(read).map(([key, records]) => [
        key,
        records.map(([offset, value]) => [offset, Number(value)]),
      ]),
    );
    this.#note({ process, f: 'poll', type: 'ok', consumer, poll });
    for (const level of ['read_uncommitted', 'read_committed']) {
      const offsets = await observer.call('ends', { keys, isolation: level });
      this.#note({ process, f: 'ends', type: 'ok', isolation: level, offsets });
    }
  }
}

/** The system's monotonic clock, as the clients read it. */
function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
