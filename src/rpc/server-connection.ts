/**
 * One client's connection on the server's side: requests are read ahead up to a limit, begun one after the other, and
 * answered strictly in their order. Back-pressure works both ways: a peer that sends faster than it is served is no
 * longer read, and one that does not read its answers gets no further request begun. What it holds counts in the memory
 * budget of the process, which may hold up reading as well.
 */
import { isRegion, sizeOfPart, sizesOf } from '../base/outgoing.ts';
import type { Connection, Outgoing } from '../base/ports.ts';
import { FrameCutter, type Frame } from './frame-cutter.ts';
import type { MemoryAccount, MemoryBudget } from './memory-budget.ts';
import type { SlabPool } from '../base/slab-pool.ts';

/** What came of a request: its response's parts; undefined for none (Produce with acks=0); CLOSE ends the connection. */
export const CLOSE = Symbol('close');
export type Answer = readonly Outgoing[] | LentAnswer | undefined | typeof CLOSE;

/** An answer with buffers that are used again, or regions that are held: `onSent` is called once, when the last byte has
 * left or never will. */
export interface LentAnswer {
  readonly parts: readonly Outgoing[];
  readonly onSent: () => void;
}

export interface RequestSink<S> {
  /** Begins a request. What it throws, or rejects with, closes the connection: expected failures are answers. */
  handle(frame: Buffer, peer: Peer<S>): Answer | Promise<Answer>;
  /** Whether the request may begin while earlier ones that also may are unanswered (Produce: appends stay in order). */
  mayOverlap(frame: Buffer): boolean;
  /** Whether nobody looks at the frame any more once `handle` has returned, be the answer there or not. */
  isRecyclable(frame: Buffer): boolean;
}

export interface ConnectionLimits {
  /** Kafka's socket.request.max.bytes. */
  readonly frameBytesMax: number;
  /** Requests that are read and not answered yet. */
  readonly requestsAheadMax: number;
  /** Bytes of such requests; one that is larger on its own still passes. */
  readonly bytesAheadMax: number;
}

/** What handlers know of a connection. `state` is theirs. */
export interface Peer<S> {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
  state: S;
  /** What a frame to come may hold: at first the limit of all connections. */
  frameBytesMax: number;
  /** Begins nothing more, answers what has begun, then closes. */
  end(): void;
  /** Calls back when the connection has gone; returns a way to forget about it. */
  onGone(callback: () => void): () => void;
}

/** In the place of one that has been handled and is used again. */
const NO_FRAME: Frame = { bytes: Buffer.alloc(0), slab: undefined };
/** Answers are handed to the connection in slices of at most this size. */
const SLICE_BYTES_MAX = 512 * 1024;

interface Entry {
  frame: Frame;
  readonly sizeBytes: number;
  readonly overlaps: boolean;
  answer: Answer;
  isAnswered: boolean;
}

export class ServerConnection<S> implements Peer<S> {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly localPort: number;
  state: S;
  /** Monotonic ms of the last whole request or the last progress of an answer. */
  activeAtMs: number;
  /** Since when answers wait without any of them leaving; undefined while nothing waits. */
  stalledSinceMs: number | undefined;
  readonly #connection: Connection;
  readonly #sink: RequestSink<S>;
  readonly #limits: ConnectionLimits;
  readonly #pool: SlabPool;
  readonly #memory: MemoryAccount;
  readonly #cutter: FrameCutter;
  readonly #nowMs: () => number;
  readonly #onFailure: (error: unknown, peer: Peer<S>) => void;
  /** Requests in order of arrival; the first `#begun` of them have been handed to the sink. */
  readonly #queue: Entry[] = [];
  #begun = 0;
  #bytesAhead = 0;
  /** Memory of answers that wait for earlier ones. */
  #bytesAnswered = 0;
  /** A frame has become whole since memory was accounted for. */
  #isFrameDone = false;
  /** Since when the frame that is being read could have become whole: its first byte, or the last time reading resumed. */
  #frameSinceMs = 0;
  /** Answers of this turn, which leave together. */
  #out: Outgoing[] = [];
  #outBytes = 0;
  /** How much of it lies in files. */
  #outRegionBytes = 0;
  /** Ever handed to the connection. */
  #writtenBytes = 0;
  /** Which answers are lent, by how many bytes have been handed over with their last one; ascending. */
  readonly #lent: { readonly endBytes: number; readonly onSent: () => void }[] = [];
  #isPaused = false;
  #isBlocked = false;
  #isPumping = false;
  #isEnding = false;
  #isGone = false;
  #sentBytesBefore = 0;
  readonly #goneListeners = new Set<() => void>();

  constructor(options: {
    readonly id: string;
    readonly connection: Connection;
    readonly state: S;
    readonly sink: RequestSink<S>;
    readonly limits: ConnectionLimits;
    readonly pool: SlabPool;
    readonly budget: MemoryBudget;
    readonly nowMs: () => number;
    readonly onFailure: (error: unknown, peer: Peer<S>) => void;
    readonly onGone: (connection: ServerConnection<S>) => void;
  }) {
    const { connection } = options;
    this.id = options.id;
    this.host = connection.remoteHost;
    this.port = connection.remotePort;
    this.localPort = connection.localPort;
    this.state = options.state;
    this.#connection = connection;
    this.#sink = options.sink;
    this.#limits = options.limits;
    this.#pool = options.pool;
    this.#cutter = new FrameCutter({ sizeBytesMax: options.limits.frameBytesMax, pool: options.pool });
    this.#memory = options.budget.account(() => this.#resume());
    this.#nowMs = options.nowMs;
    this.#onFailure = options.onFailure;
    this.activeAtMs = options.nowMs();
    connection.onData = (chunk) => {
      if (this.#isGone || this.#isEnding) return;
      if (!this.#cutter.isInsideFrame()) this.#frameSinceMs = this.#nowMs();
      this.#cutter.push(chunk);
      this.#pump();
      this.#keepUnbegun(chunk);
      this.#cutter.keep();
    };
    connection.onDrain = () => {
      this.#isBlocked = false;
      this.activeAtMs = this.#nowMs();
      this.#pump();
    };
    connection.onClose = () => {
      if (this.#isGone) return;
      this.#isGone = true;
      for (const { answer } of this.#queue) letGo(answer);
      for (const { onSent } of this.#lent.splice(0)) onSent();
      this.#queue.length = 0;
      this.#begun = 0;
      this.#memory.close();
      this.#cutter.close();
      options.onGone(this);
      for (const listener of this.#goneListeners) listener();
      this.#goneListeners.clear();
    };
  }

  onGone(callback: () => void): () => void {
    if (this.#isGone) {
      callback();
      return () => {};
    }
    this.#goneListeners.add(callback);
    return () => this.#goneListeners.delete(callback);
  }

  get frameBytesMax(): number {
    return this.#cutter.sizeBytesMax;
  }

  set frameBytesMax(sizeBytes: number) {
    this.#cutter.sizeBytesMax = sizeBytes;
  }

  /** Requests that are read and not answered yet. */
  requestsAhead(): number {
    return this.#queue.length;
  }

  /** Answers that have not left for the kernel yet. */
  pendingBytes(): number {
    return this.#connection.pendingBytes() + this.#outBytes;
  }

  /** Closes now. */
  destroy(): void {
    this.#connection.destroy();
  }

  /** Begins nothing more, answers what has begun, then closes. */
  end(): void {
    this.#isEnding = true;
    this.#memory.rest();
    this.#pause();
    this.#queue.length = this.#begun;
    if (this.#queue.length === 0 && this.#out.length === 0) this.#connection.end();
  }

  /** Called from time to time: notes whether answers leave. Ms of no progress while any wait, else 0. */
  stalledMs(nowMs: number): number {
    const sentBytes = this.#writtenBytes - this.#connection.pendingBytes();
    const isMoving = sentBytes > this.#sentBytesBefore;
    this.#sentBytesBefore = sentBytes;
    if (isMoving) this.activeAtMs = nowMs;
    this.#account();
    if (isMoving || this.pendingBytes() === 0) this.stalledSinceMs = undefined;
    else this.stalledSinceMs ??= nowMs;
    return this.stalledSinceMs === undefined ? 0 : nowMs - this.stalledSinceMs;
  }

  isIdleSince(beforeMs: number): boolean {
    return this.#queue.length === 0 && this.activeAtMs < beforeMs;
  }

  /** Ms for which a frame of at least `bytesMin` so far, or one that others wait for, could have become whole. */
  slowFrameMs(nowMs: number, bytesMin: number): number {
    if (this.#isPaused || this.#isGone || !this.#cutter.isInsideFrame()) return 0;
    if (!this.#memory.hasTurn() && this.#cutter.arrivedBytes() < bytesMin) return 0;
    return nowMs - this.#frameSinceMs;
  }

  /** Reads, begins and answers as far as possible. Answers that are ready in one turn leave in one write. */
  #pump(): void {
    if (this.#isPumping || this.#isGone) return;
    this.#isPumping = true;
    try {
      // All three, each time around: an answer that leaves lets the next request begin.
      for (let moved = true; moved;) {
        moved = this.#readAhead();
        moved = this.#begin() || moved;
        moved = this.#takeAnswers() || moved;
        if (this.#isGone) return;
      }
      this.#write();
      if (this.#isGone) return;
      this.#account();
      if (this.#isEnding && this.#queue.length === 0 && this.#out.length === 0) {
        this.#connection.end();
      } else if (!this.#mayReadMore()) {
        this.#memory.rest();
        this.#pause();
      } else if (this.#memory.mayRead()) {
        this.#resume();
      } else {
        this.#pause();
      }
    } catch (error) {
      this.#onFailure(error, this);
      this.destroy();
    } finally {
      this.#isPumping = false;
    }
  }

  #account(): void {
    if (this.#isGone) return;
    const inFiles = this.#connection.pendingRegionBytes() + this.#outRegionBytes;
    const responses = this.#bytesAnswered + this.pendingBytes() - inFiles;
    this.#memory.set(this.#cutter.arrivedBytes(), this.#bytesAhead, responses);
    if (!this.#isFrameDone) return;
    this.#isFrameDone = false;
    this.#memory.frameDone();
  }

  /** Moves one frame from the chunk to the queue. */
  #readAhead(): boolean {
    if (!this.#mayReadMore()) return false;
    const frame = this.#cutter.next();
    if (frame === undefined) return false;
    this.activeAtMs = this.#nowMs();
    this.#frameSinceMs = this.activeAtMs;
    this.#isFrameDone = true;
    const sizeBytes = frame.bytes.length;
    this.#bytesAhead += sizeBytes;
    const overlaps = this.#sink.mayOverlap(frame.bytes);
    this.#queue.push({ frame, sizeBytes, overlaps, answer: undefined, isAnswered: false });
    return true;
  }

  /** What waits to be begun may not be a view of the chunk, which is used again. */
  #keepUnbegun(chunk: Buffer): void {
    for (let index = this.#begun; index < this.#queue.length; index++) {
      const entry = this.#queue[index]!;
      if (entry.frame.slab === undefined && entry.frame.bytes.buffer === chunk.buffer)
        entry.frame = this.#copyOf(entry.frame);
    }
  }

  #copyOf({ bytes }: Frame): Frame {
    const slab = this.#pool.take(bytes.length);
    bytes.copy(slab);
    return { bytes: slab.subarray(0, bytes.length), slab };
  }

  #mayReadMore(): boolean {
    if (this.#isEnding || this.#isBlocked) return false;
    const ahead = this.#queue.length;
    if (ahead === 0) return true;
    return ahead < this.#limits.requestsAheadMax && this.#bytesAhead < this.#limits.bytesAheadMax;
  }

  /** Begins the next request, if it need not wait for those before it. */
  #begin(): boolean {
    if (this.#isBlocked || this.#begun >= this.#queue.length) return false;
    const entry = this.#queue[this.#begun]!;
    if (this.#begun > 0 && !(entry.overlaps && this.#queue[this.#begun - 1]!.overlaps)) return false;
    this.#begun += 1;
    const answer = this.#handle(entry);
    if (!(answer instanceof Promise)) {
      if (this.#isGone) letGo(answer);
      this.#answered(entry, answer);
      return true;
    }
    answer.then(
      (value) => {
        if (this.#isGone) {
          letGo(value);
          return;
        }
        this.#answered(entry, value);
        this.#pump();
      },
      (error: unknown) => {
        if (this.#isGone) return;
        this.#onFailure(error, this);
        this.destroy();
      },
    );
    return true;
  }

  #handle(entry: Entry): Answer | Promise<Answer> {
    const { slab } = entry.frame;
    if (this.#sink.isRecyclable(entry.frame.bytes)) {
      const answer = this.#sink.handle(entry.frame.bytes, this);
      if (slab !== undefined) this.#pool.give(slab);
      entry.frame = NO_FRAME;
      return answer;
    }
    if (slab === undefined) entry.frame = { bytes: Buffer.from(entry.frame.bytes), slab: undefined };
    return this.#sink.handle(entry.frame.bytes, this);
  }

  #answered(entry: Entry, answer: Answer): void {
    entry.answer = answer;
    entry.isAnswered = true;
    this.#bytesAnswered += memoryOf(answer);
  }

  /** Collects the answers at the head of the queue that are ready. */
  #takeAnswers(): boolean {
    let isAny = false;
    while (this.#begun > 0 && this.#queue[0]!.isAnswered) {
      isAny = true;
      const { sizeBytes, answer } = this.#queue.shift()!;
      this.#begun -= 1;
      this.#bytesAhead -= sizeBytes;
      this.#bytesAnswered -= memoryOf(answer);
      if (answer === CLOSE) {
        for (const dropped of this.#queue) letGo(dropped.answer);
        this.#queue.length = 0;
        this.#begun = 0;
        this.#bytesAhead = 0;
        this.#bytesAnswered = 0;
        this.#isEnding = true;
        break;
      }
      if (answer === undefined) continue;
      for (const part of partsOf(answer)) {
        const partBytes = sizeOfPart(part);
        this.#out.push(part);
        this.#outBytes += partBytes;
        if (isRegion(part)) this.#outRegionBytes += partBytes;
      }
      if ('onSent' in answer) {
        this.#lent.push({ endBytes: this.#writtenBytes + this.#outBytes, onSent: answer.onSent });
      }
      if (this.#outBytes >= SLICE_BYTES_MAX) this.#write();
    }
    return isAny;
  }

  /** Hands answers over in slices, as the peer takes them: Node holds no more of a large answer than it can pass on. */
  #write(): void {
    while (this.#out.length > 0 && !this.#isBlocked) {
      const slice = this.#takeSlice();
      if (!this.#connection.write(slice, this.#returnAfter())) this.#isBlocked = true;
      if (this.#isGone) return;
    }
  }

  /** What to do when all that has been handed over so far has left. */
  #returnAfter(): (() => void) | undefined {
    const endBytes = this.#writtenBytes;
    if (this.#lent.length === 0 || this.#lent[0]!.endBytes > endBytes) return undefined;
    return () => {
      while (this.#lent.length > 0 && this.#lent[0]!.endBytes <= endBytes) this.#lent.shift()!.onSent();
    };
  }

  /** Regions count for nothing here, since they wait without taking memory. */
  #takeSlice(): Outgoing[] {
    const out = this.#out;
    let count = 0;
    let memory = 0;
    for (; count < out.length; count++) {
      const part = out[count]!;
      if (isRegion(part)) continue;
      if (memory + part.length > SLICE_BYTES_MAX) break;
      memory += part.length;
    }
    let slice: Outgoing[];
    if (count === out.length) {
      slice = out;
      this.#out = [];
    } else if (count > 0) {
      slice = out.splice(0, count);
    } else {
      const large = out[0] as Buffer;
      slice = [large.subarray(0, SLICE_BYTES_MAX)];
      out[0] = large.subarray(SLICE_BYTES_MAX);
    }
    const { bytes, regionBytes } = sizesOf(slice);
    this.#outBytes -= bytes;
    this.#outRegionBytes -= regionBytes;
    this.#writtenBytes += bytes;
    return slice;
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#connection.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#frameSinceMs = this.#nowMs();
    this.#connection.resume();
  }
}

function memoryOf(answer: Answer): number {
  if (answer === undefined || answer === CLOSE) return 0;
  const { bytes, regionBytes } = sizesOf(partsOf(answer));
  return bytes - regionBytes;
}

function partsOf(answer: readonly Outgoing[] | LentAnswer): readonly Outgoing[] {
  return 'onSent' in answer ? answer.parts : answer;
}

/** It will not be sent. */
function letGo(answer: Answer): void {
  if (answer !== undefined && answer !== CLOSE && 'onSent' in answer) answer.onSent();
}
