/**
 * Virtual time. One `SimulatedTime` is the run loop of a whole simulated cluster: a heap of events ordered by
 * time, with ties broken by the seed, and all promise callbacks run to their end between two events. As long
 * as nothing else in the process waits for the outside, a run is a function of its seed; `traceHash` shows
 * it.
 *
 * Each simulated process has a `SimulatedProcess` with clock and timers of its own, so that it can be killed
 * (what it waited for never happens), paused (it stands still while time goes on) and have its wall clock
 * jump.
 */
import type { Clock, Timer, Timers } from '../base/ports.ts';
import { hashText, SimulatedRandom } from './simulated-random.ts';

/** 2026-01-01T00:00:00Z: a wall clock that looks like one. */
const START_WALL_MS = Date.UTC(2026, 0, 1);
/** More events than this without time going on is a loop that would never end. */
const EVENTS_PER_INSTANT_MAX = 1_000_000;
/** More events than this in one `runUntilIdle` is a timer that always sets itself again. */
const EVENTS_UNTIL_IDLE_MAX = 10_000_000;

interface Event {
  readonly dueMs: number;
  /** 0: an event at its time. 1: `soon`, after all events of that time that are known. */
  readonly phase: 0 | 1;
  readonly tie: number;
  readonly sequence: number;
  readonly owner: SimulatedProcess | undefined;
  callback: (() => void) | undefined;
}

export class SimulatedTime {
  #nowMs = 0;
  #sequence = 0;
  #eventsThisInstant = 0;
  #trace = 0x811c9dc5;
  readonly #heap: Event[] = [];
  readonly #random: SimulatedRandom;
  /** Called after each event and everything that followed from it: the place for invariants. */
  afterEvent: () => void = () => {};

  constructor(options: { readonly seed: number | string }) {
    this.#random = new SimulatedRandom(options.seed).fork('time');
  }

  /** Virtual milliseconds since the start. */
  nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have not happened, cancelled ones not counted. */
  pendingEvents(): number {
    return this.#heap.reduce((count, event) => (event.callback === undefined ? count : count + 1), 0);
  }

  /** A figure over everything that happened so far: equal for two runs of one seed. */
  traceHash(): string {
    return this.#trace.toString(16).padStart(8, '0');
  }

  /** Puts something that happened into the trace. */
  trace(text: string): void {
    this.#trace = hashText(this.#trace, text);
  }

  schedule(delayMs: number, callback: () => void, owner?: SimulatedProcess): Timer {
    const event = this.#push(this.#nowMs + Math.max(0, delayMs), 0, callback, owner);
    return {
      cancel() {
        event.callback = undefined;
      },
    };
  }

  soon(callback: () => void, owner?: SimulatedProcess): void {
    this.#push(this.#nowMs, 1, callback, owner);
  }

  /** Lets `ms` pass and everything in them happen. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await drainPromises();
    while (await this.#step(endMs));
    this.#setNow(endMs);
  }

  /**
   * Goes on until nothing is left to happen. For systems without periodic timers: throws when there is no
   * end.
   */
  async runUntilIdle(): Promise<void> {
    await drainPromises();
    for (let count = 0; await this.#step(Infinity); count++) {
      if (count === EVENTS_UNTIL_IDLE_MAX) throw new Error('the simulation never becomes idle');
    }
  }

  /**
   * Goes on until `condition` holds; false when it does not within `withinMs`, or when nothing is left to
   * happen.
   */
  async runUntil(condition: () => boolean, withinMs: number): Promise<boolean> {
    const endMs = this.#nowMs + withinMs;
    await drainPromises();
    while (!condition()) {
      if (!(await this.#step(endMs))) return false;
    }
    return true;
  }

  /** Goes on until `promise` has settled, and gives what it gives. */
  async settle<T>(promise: Promise<T>, withinMs = 600_000): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    if (!(await this.runUntil(() => settled, withinMs))) {
      throw new Error(`not settled after ${withinMs} ms of virtual time`);
    }
    return promise;
  }

  async #step(endMs: number): Promise<boolean> {
    const event = this.#next(endMs);
    if (event === undefined) return false;
    this.#setNow(event.dueMs);
    this.#eventsThisInstant += 1;
    if (this.#eventsThisInstant > EVENTS_PER_INSTANT_MAX) throw new Error('time does not go on');
    const callback = event.callback!;
    event.callback = undefined;
    if (event.owner?.isPaused === true) {
      event.owner.defer(callback);
      return true;
    }
    this.#trace = Math.imul(this.#trace ^ event.sequence, 0x01000193) >>> 0;
    callback();
    await drainPromises();
    this.afterEvent();
    return true;
  }

  #setNow(nowMs: number): void {
    if (nowMs > this.#nowMs) this.#eventsThisInstant = 0;
    this.#nowMs = nowMs;
  }

  #next(endMs: number): Event | undefined {
    const heap = this.#heap;
    for (;;) {
      const first = heap[0];
      if (first === undefined) return undefined;
      const gone = first.callback === undefined || first.owner?.isAlive === false;
      if (!gone && first.dueMs > endMs) return undefined;
      const last = heap.pop()!;
      if (heap.length > 0) sink(heap, last);
      if (!gone) return first;
    }
  }

  #push(dueMs: number, phase: 0 | 1, callback: () => void, owner: SimulatedProcess | undefined): Event {
    this.#sequence += 1;
    // What is asked for `soon` keeps its order, as with the real timers.
    const tie = phase === 0 ? this.#random.integer(2 ** 32) : 0;
    const event: Event = { dueMs, phase, tie, sequence: this.#sequence, owner, callback };
    rise(this.#heap, event);
    return event;
  }
}

/** A killed process never comes back: start another. */
export class SimulatedProcess {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #time: SimulatedTime;
  #wallOffsetMs = 0;
  #isAlive = true;
  #isPaused = false;
  #deferred: (() => void)[] = [];

  constructor(time: SimulatedTime) {
    this.#time = time;
    this.clock = {
      nowMs: () => Math.floor(START_WALL_MS + time.nowMs() + this.#wallOffsetMs),
      monotonicMs: () => time.nowMs(),
    };
    this.timers = {
      after: (delayMs, callback) => time.schedule(delayMs, callback, this),
      soon: (callback) => time.soon(callback, this),
    };
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Nothing that the process waited for happens any more. */
  kill(): void {
    this.#isAlive = false;
    this.#deferred = [];
  }

  /** The process stands still (SIGSTOP, a long garbage collection); what was due happens when it goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const callback of this.#deferred.splice(0)) this.#time.soon(callback, this);
  }

  /** The wall clock jumps, for ever; the monotonic one does not. */
  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** For the run loop only: `callback` fell due during a pause. */
  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }
}

/** setImmediate comes after every promise callback, also those that the callbacks make. */
function drainPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Event, b: Event): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  if (a.phase !== b.phase) return a.phase < b.phase;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.sequence < b.sequence;
}

function rise(heap: Event[], event: Event): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const parent = (index - 1) >>> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = event;
}

function sink(heap: Event[], event: Event): void {
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, event)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = event;
}
