/**
 * One limit for what all connections of the process hold: bytes of frames that are not whole yet, requests that are not
 * answered yet, answers that the kernel has not taken yet. Buffers live outside of V8's heap, so nothing else bounds them.
 *
 * Over the limit sockets are no longer read, and are read again one after the other, in the order in which they began to
 * wait, as memory comes back. Three rules keep that from standing still or from hurting those who do no harm:
 * - a connection that holds little is read all the same (heartbeats go on), up to a second limit;
 * - when unfinished frames hold everything, one connection at a time has the turn: it is read until its frame is whole.
 *   So one frame may exceed the limit, two may not;
 * - reads for Fetch answers get a share of what half of the limit leaves over, so that slow consumers starve no producer.
 */

/** A connection that holds less is read while others wait. */
const RESERVED_BYTES = 16 * 1024;
/** What reading a socket once may bring. */
const CHUNK_BYTES = 64 * 1024;
/** Above this multiple of the limit, and a frame of the largest size, nobody is read except by turn. */
const HARD_LIMIT_FACTOR = 1.5;
/** Requests being handled give their bytes back soon: with more than this part of the limit in them, no turn is given. */
const IN_FLIGHT_PART = 1 / 4;
/** All Fetch answers together leave this part of the limit to requests. */
const RESPONSES_PART = 1 / 2;
/** One Fetch answer takes at most this part of what the others leave over. */
const ONE_RESPONSE_PART = 1 / 4;
/** Each of them gives its reservation back later, which wakes the next ones. */
const RESPONSES_WOKEN_MAX = 16;

const DEFAULT_PART_OF_MACHINE = 1 / 4;
const DEFAULT_BYTES_MIN = 64 * 1024 ** 2;
const DEFAULT_BYTES_MAX = 256 * 1024 ** 2;

/** The limit for a machine, or a container, with so much memory; undefined when that is not known. */
export function defaultBudgetBytes(memoryBytes: number | undefined): number {
  const part = Math.floor((memoryBytes ?? Infinity) * DEFAULT_PART_OF_MACHINE);
  return Math.min(DEFAULT_BYTES_MAX, Math.max(DEFAULT_BYTES_MIN, part));
}

export interface MemoryBudgetOptions {
  readonly limitBytes: number;
  /** The largest frame that may come. */
  readonly frameBytesMax: number;
  /** Calls back after the sockets that can be read have been read. */
  readonly soon: (callback: () => void) => void;
}

export class MemoryBudget {
  readonly limitBytes: number;
  readonly #hardLimitBytes: number;
  readonly #soon: (callback: () => void) => void;
  #isAdmittingSoon = false;
  #wasShort = false;
  #usedBytes = 0;
  /** Whole requests that are not answered. */
  #inFlightBytes = 0;
  /** Answers, and what is reserved for reads under way. */
  #responseBytes = 0;
  /** Who may not read, in the order in which they began to wait. */
  readonly #waiting = new Set<MemoryAccount>();
  /** Those of them who hold little; they wait for the hard limit only. */
  readonly #waitingSmall = new Set<MemoryAccount>();
  #turn: MemoryAccount | undefined;
  readonly #responseWaiters = new Set<() => void>();

  constructor(options: MemoryBudgetOptions) {
    this.limitBytes = options.limitBytes;
    this.#hardLimitBytes = options.limitBytes * HARD_LIMIT_FACTOR + options.frameBytesMax;
    this.#soon = options.soon;
  }

  /** `onRoom` is called when the account may read again after `mayRead` was false. */
  account(onRoom: () => void): MemoryAccount {
    return new MemoryAccount(this, onRoom);
  }

  usedBytes(): number {
    return this.#usedBytes;
  }

  responseBytes(): number {
    return this.#responseBytes;
  }

  /** Somebody would be read if there was more memory, or would have been since the last `tick`. */
  isShort(): boolean {
    return this.#wasShort || this.#isAnybodyWaiting();
  }

  /** Called from time to time: requests that are never answered (long polls) must not keep the turn from others. */
  tick(): void {
    this.#wasShort = this.#isAnybodyWaiting();
    this.#admit(true);
  }

  /**
   * Sets memory aside for reading an answer: up to `wantedBytes`, at least `floorBytes` (what the smallest read that gets
   * the reader on may take). Undefined: none now; see `whenResponseRoom`. With no answer pending there always is.
   */
  reserveResponse(wantedBytes: number, floorBytes: number): ResponseReservation | undefined {
    if (this.#responseBytes > 0 && this.#responseBytes + floorBytes > this.limitBytes) return undefined;
    const room = this.limitBytes * RESPONSES_PART - this.#responseBytes;
    const bytes = Math.min(wantedBytes, Math.max(floorBytes, Math.floor(room * ONE_RESPONSE_PART)));
    const reservedBytes = Math.max(bytes, floorBytes);
    this.change(0, 0, reservedBytes);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      this.change(0, 0, -reservedBytes);
    };
    return { bytes, release };
  }

  /** Calls once when answers have left; returns a way to forget about it. */
  whenResponseRoom(callback: () => void): () => void {
    this.#wasShort = true;
    this.#responseWaiters.add(callback);
    return () => this.#responseWaiters.delete(callback);
  }

  // --- For accounts

  change(assembled: number, inFlight: number, responses: number): void {
    this.#usedBytes += assembled + inFlight + responses;
    this.#inFlightBytes += inFlight;
    this.#responseBytes += responses;
    if (responses < 0 && this.#responseWaiters.size > 0) this.#wakeResponses();
    if (assembled < 0 || inFlight < 0 || responses < 0) this.#admit(false);
  }

  mayRead(account: MemoryAccount): boolean {
    if (this.#turn === account || this.#usedBytes < this.limitBytes) return true;
    const isSmall = account.heldBytes() < RESERVED_BYTES;
    if (isSmall && this.#usedBytes < this.#hardLimitBytes) return true;
    this.#wasShort = true;
    (isSmall ? this.#waitingSmall : this.#waiting).add(account);
    this.#admit(false);
    return !this.isWaiting(account);
  }

  isWaiting(account: MemoryAccount): boolean {
    return this.#waiting.has(account) || this.#waitingSmall.has(account);
  }

  hasTurn(account: MemoryAccount): boolean {
    return this.#turn === account;
  }

  leave(account: MemoryAccount): void {
    this.#waiting.delete(account);
    this.#waitingSmall.delete(account);
    this.endTurn(account);
  }

  endTurn(account: MemoryAccount): void {
    if (this.#turn !== account) return;
    this.#turn = undefined;
    this.#admit(false);
  }

  #isAnybodyWaiting(): boolean {
    return this.#waiting.size > 0 || this.#waitingSmall.size > 0 || this.#responseWaiters.size > 0;
  }

  /** Lets those read for whom there is room; when none is to be expected, one of them has the turn. */
  #admit(isOverdue: boolean): void {
    if (this.#waiting.size === 0 && this.#waitingSmall.size === 0) return;
    resumeFirst(this.#waiting, this.limitBytes - this.#usedBytes);
    resumeFirst(this.#waitingSmall, this.#hardLimitBytes - this.#usedBytes);
    if (this.#waiting.size > 0 && this.#usedBytes < this.limitBytes) this.#admitSoon();
    else if (this.#waitingSmall.size > 0 && this.#usedBytes < this.#hardLimitBytes) this.#admitSoon();
    if (this.#turn !== undefined) return;
    if (!isOverdue && this.#inFlightBytes > this.limitBytes * IN_FLIGHT_PART) return;
    const next = firstUnfinished(this.#waiting) ?? firstUnfinished(this.#waitingSmall);
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#waitingSmall.delete(next);
    this.#turn = next;
    next.onRoom();
  }

  /** Those who were let read may have nothing to read: then it is the next ones' turn without anything changing. */
  #admitSoon(): void {
    if (this.#isAdmittingSoon) return;
    this.#isAdmittingSoon = true;
    this.#soon(() => {
      this.#isAdmittingSoon = false;
      this.#admit(false);
    });
  }

  #wakeResponses(): void {
    let left = RESPONSES_WOKEN_MAX;
    for (const waiter of this.#responseWaiters) {
      this.#responseWaiters.delete(waiter);
      waiter();
      left -= 1;
      if (left === 0) return;
    }
  }
}

export interface ResponseReservation {
  /** How much to read at most. */
  readonly bytes: number;
  /** To be called when the answer is made: from then on its connection counts it. */
  readonly release: () => void;
}

/** What one connection holds. */
export class MemoryAccount {
  readonly onRoom: () => void;
  readonly #budget: MemoryBudget;
  #assembledBytes = 0;
  #inFlightBytes = 0;
  #responseBytes = 0;

  constructor(budget: MemoryBudget, onRoom: () => void) {
    this.#budget = budget;
    this.onRoom = onRoom;
  }

  /** The connection holds this much now. */
  set(assembledBytes: number, inFlightBytes: number, responseBytes: number): void {
    const assembled = assembledBytes - this.#assembledBytes;
    const inFlight = inFlightBytes - this.#inFlightBytes;
    const responses = responseBytes - this.#responseBytes;
    if (assembled === 0 && inFlight === 0 && responses === 0) return;
    this.#assembledBytes = assembledBytes;
    this.#inFlightBytes = inFlightBytes;
    this.#responseBytes = responseBytes;
    this.#budget.change(assembled, inFlight, responses);
  }

  heldBytes(): number {
    return this.#assembledBytes + this.#inFlightBytes + this.#responseBytes;
  }

  assembledBytes(): number {
    return this.#assembledBytes;
  }

  /** Whether the socket may be read; false: `onRoom` tells when. */
  mayRead(): boolean {
    return this.#budget.mayRead(this);
  }

  /** The connection stops reading for reasons of its own. */
  rest(): void {
    this.#budget.leave(this);
  }

  /** A frame is whole: the turn, if this account had it, goes on. */
  frameDone(): void {
    this.#budget.endTurn(this);
  }

  hasTurn(): boolean {
    return this.#budget.hasTurn(this);
  }

  /** The connection has gone. */
  close(): void {
    this.#budget.leave(this);
    this.set(0, 0, 0);
  }
}

function firstUnfinished(accounts: ReadonlySet<MemoryAccount>): MemoryAccount | undefined {
  for (const account of accounts) if (account.assembledBytes() > 0) return account;
  return undefined;
}

/** As many as there is room for what they may read at once. */
function resumeFirst(accounts: Set<MemoryAccount>, roomBytes: number): void {
  let room = roomBytes;
  for (const account of accounts) {
    if (room <= 0) return;
    room -= CHUNK_BYTES;
    accounts.delete(account);
    account.onRoom();
  }
}
