/**
 * Carrying out a plan: a bounded number of moves at a time, the next ones as others end, until all are done. The cluster does
 * the moving, and goes on with what has begun whatever becomes of this process; what it is to begin next only we know. So
 * after an interruption nothing is broken, and a new plan goes on from where everything is then. A throttle is set here, and
 * lifted by the caller.
 */
import type { Clock, Timers } from '../../base/ports.ts';
import { pause } from '../../client/backoff.ts';
import { isKafkaError } from '../../client/errors.ts';
import type { ClusterAdmin, Reassigning, Refusal } from './cluster-admin.ts';
import { nameOf, type Move } from './cluster-state.ts';
import { throttleRates, throttleReplicas } from './throttle.ts';

export interface Progress {
  readonly moves: number;
  readonly movesDone: number;
  readonly movesUnderWay: number;
  readonly bytes: number;
  readonly bytesDone: number;
  /** Lately; 0 before there is any. */
  readonly bytesPerSecond: number;
  /** Undefined: it cannot be told yet. */
  readonly remainingMs: number | undefined;
}

export type Applied = 'done' | 'interrupted';

export interface ApplyOptions {
  readonly admin: ClusterAdmin;
  /** Brokers that are there: the throttle is set on them. */
  readonly brokerIds: readonly number[];
  /** Moves that had begun before. */
  readonly underWay: readonly Move[];
  readonly throttleBytesPerSecond: number | undefined;
  /** Moves at a time. */
  readonly parallel: number;
  /** When to stop beginning moves. */
  readonly signal: AbortSignal;
  readonly ports: { readonly clock: Clock; readonly timers: Timers };
  readonly onProgress: (progress: Progress) => void;
  readonly onRefused: (refusal: Refusal) => void;
}

const POLL_MS = 1_000;
/** Nobody in the cluster answers for so long: we cannot go on, though the cluster may. */
const SILENCE_MS_MAX = 120_000;
/** Polls in which a move is neither under way nor done before it is believed. */
const DOUBTS_MAX = 4;
/** The rate is that of about the last so many polls. */
const RATE_POLLS = 10;

export async function apply(moves: readonly Move[], options: ApplyOptions): Promise<Applied> {
  const run = new Run(moves, options);
  return run.run();
}

class Run {
  readonly #options: ApplyOptions;
  readonly #all: readonly Move[];
  readonly #waiting: Move[];
  readonly #active = new Map<string, Move>();
  /** Bytes that are there already, of each active move. */
  readonly #copied = new Map<string, number>();
  /** How often a move seemed to have ended without being done. */
  readonly #doubts = new Map<string, number>();
  #bytesDone = 0;
  #movesDone = 0;
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(moves: readonly Move[], options: ApplyOptions) {
    this.#options = options;
    this.#all = [...options.underWay, ...moves];
    this.#waiting = [...moves];
    for (const move of options.underWay) this.#active.set(nameOf(move), move);
  }

  async run(): Promise<Applied> {
    const { signal, ports, throttleBytesPerSecond: rate, admin, brokerIds } = this.#options;
    if (rate !== undefined) {
      await admin.configure([
        ...throttleRates(brokerIds, rate),
        ...throttleReplicas(this.#options.underWay.map(throttled), 'append'),
      ]);
    }
    let heardAtMs = ports.clock.monotonicMs();
    for (;;) {
      try {
        await this.#look();
        if (!signal.aborted) await this.#begin();
        heardAtMs = ports.clock.monotonicMs();
      } catch (error) {
        const isPassing = isKafkaError(error) && error.retriable;
        if (!isPassing || ports.clock.monotonicMs() - heardAtMs > SILENCE_MS_MAX) throw error;
      }
      this.#report();
      if (signal.aborted) return 'interrupted';
      if (this.#active.size === 0 && this.#waiting.length === 0) break;
      await pause(ports.timers, POLL_MS, signal).catch(() => {});
    }
    await admin.electPreferred(this.#all);
    return 'done';
  }

  /** Which moves have ended, and how far the others are. */
  async #look(): Promise<void> {
    const { admin, throttleBytesPerSecond } = this.#options;
    if (this.#active.size === 0) return;
    const moving = new Set((await admin.reassignments()).map(nameOf));
    const ended = await this.#ended([...this.#active.values()].filter((move) => !moving.has(nameOf(move))));
    if (throttleBytesPerSecond !== undefined) {
      await admin.configure(throttleReplicas(ended.map(throttled), 'subtract'));
    }
    for (const move of ended) this.#end(move);
    await this.#measure();
  }

  /** Whoever answered may be behind the others: what is neither moving nor where it should be is looked at again first. */
  async #ended(candidates: readonly Move[]): Promise<Move[]> {
    if (candidates.length === 0) return [];
    const { admin, onRefused } = this.#options;
    const places = new Map((await admin.partitions()).map((one) => [nameOf(one), one.replicas.join()]));
    return candidates.filter((move) => {
      const { topic, partition, to } = move;
      const name = nameOf(move);
      if (places.get(name) === to.join()) return true;
      const doubts = (this.#doubts.get(name) ?? 0) + 1;
      this.#doubts.set(name, doubts);
      if (doubts < DOUBTS_MAX) return false;
      onRefused({
        topic,
        partition,
        errorCode: -1,
        errorMessage: 'somebody else has called it back or moved it',
      });
      return true;
    });
  }

  #end(move: Move): void {
    this.#active.delete(nameOf(move));
    this.#copied.delete(nameOf(move));
    this.#bytesDone += move.bytes;
    this.#movesDone += 1;
  }

  /** A broker that does not answer is as far as it was. */
  async #measure(): Promise<void> {
    const byBroker = new Map<number, Move[]>();
    for (const move of this.#active.values()) {
      for (const id of addingOf(move)) {
        const list = byBroker.get(id);
        if (list === undefined) byBroker.set(id, [move]);
        else list.push(move);
      }
    }
    const found = new Map<string, number>();
    const asked = [...byBroker].map(async ([id, list]) => {
      const disks = await this.#options.admin.disks(id, list).catch(() => undefined);
      for (const move of list) {
        const size = disks?.sizes.get(nameOf(move)) ?? 0;
        found.set(nameOf(move), (found.get(nameOf(move)) ?? 0) + Math.min(size, move.sizeBytes));
      }
    });
    await Promise.all(asked);
    for (const [name, bytes] of found) this.#copied.set(name, Math.max(bytes, this.#copied.get(name) ?? 0));
  }

  async #begin(): Promise<void> {
    const { admin, parallel, throttleBytesPerSecond, onRefused } = this.#options;
    const next = this.#waiting.slice(0, Math.max(0, parallel - this.#active.size));
    if (next.length === 0) return;
    if (throttleBytesPerSecond !== undefined)
      await admin.configure(throttleReplicas(next.map(throttled), 'append'));
    const refusals = await admin.reassign(
      next.map(({ topic, partition, to }) => ({ topic, partition, replicas: to })),
    );
    this.#waiting.splice(0, next.length);
    const refused = new Map(refusals.map((one) => [nameOf(one), one]));
    for (const move of next) {
      const refusal = refused.get(nameOf(move));
      this.#active.set(nameOf(move), move);
      if (refusal === undefined) continue;
      onRefused(refusal);
      this.#end(move);
    }
  }

  #report(): void {
    const { ports, onProgress } = this.#options;
    let bytesDone = this.#bytesDone;
    for (const copied of this.#copied.values()) bytesDone += copied;
    const bytes = this.#all.reduce((sum, move) => sum + move.bytes, 0);
    const nowMs = ports.clock.monotonicMs();
    this.#samples.push({ atMs: nowMs, bytes: bytesDone });
    if (this.#samples.length > RATE_POLLS) this.#samples.shift();
    const first = this.#samples[0]!;
    const elapsedMs = nowMs - first.atMs;
    const bytesPerSecond = elapsedMs > 0 ? (Math.max(0, bytesDone - first.bytes) * 1000) / elapsedMs : 0;
    onProgress({
      moves: this.#all.length,
      movesDone: this.#movesDone,
      movesUnderWay: this.#active.size,
      bytes,
      bytesDone: Math.min(bytes, bytesDone),
      bytesPerSecond,
      remainingMs: bytesPerSecond > 0 ? (Math.max(0, bytes - bytesDone) * 1000) / bytesPerSecond : undefined,
    });
  }
}

function addingOf({ from, to }: Move): number[] {
  return to.filter((id) => !from.includes(id));
}

function throttled(move: Move) {
  const { topic, partition, from } = move;
  return { topic, partition, from, adding: addingOf(move) };
}

/** Moves that the cluster is making, whoever began them. */
export function movesOf(moving: readonly Reassigning[], sizeOf: (name: string) => number): Move[] {
  return moving.map(({ topic, partition, replicas, adding, removing }): Move => {
    const sizeBytes = sizeOf(nameOf({ topic, partition }));
    const from = replicas.filter((id) => !adding.includes(id));
    const to = replicas.filter((id) => !removing.includes(id));
    return { topic, partition, from, to, sizeBytes, bytes: adding.length * sizeBytes };
  });
}
