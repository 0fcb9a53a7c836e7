/**
 * The most recent batches of all logs, in memory under one budget of bytes, so that whoever reads at the tail never
 * touches the disk. Each log has a `LogTail`: its newest batches, without a gap, ending at the log's end. The oldest
 * batch of the whole process goes first.
 *
 * A batch is a view of a network chunk, which belongs to the connection and is used again: what is kept is a copy, side
 * by side with others in a slab. Slabs are never used twice: a response that is still being sent may hold a view of one,
 * and the collector frees it when nobody does.
 */

/** What the batches of all logs may take. */
export const CACHE_BYTES_DEFAULT = 64 * 1024 ** 2;
const SLAB_BYTES = 1024 ** 2;
/** Dead entries at the front of an array before it is cut. */
const DEAD_ENTRIES_MAX = 1024;

export class BatchCache {
  readonly bytesMax: number;
  #bytes = 0;
  /** One entry for each batch in the order of arrival: whose batch it is. */
  #queue: LogTail[] = [];
  #head = 0;
  #slab: Buffer | undefined;
  #slabUsed = 0;

  constructor(bytesMax: number = CACHE_BYTES_DEFAULT) {
    this.bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  tail(): LogTail {
    return new LogTail(this);
  }

  /** For LogTail: the cache's copy of the batch, or undefined if it is too large for it. */
  admit(tail: LogTail, batch: Buffer): Buffer | undefined {
    if (batch.length > this.bytesMax) return undefined;
    const kept = this.#copy(batch);
    this.#bytes += batch.length;
    this.#queue.push(tail);
    while (this.#bytes > this.bytesMax) this.#evictOldest(tail);
    return kept;
  }

  /** For LogTail: so many bytes have gone. */
  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  #copy(batch: Buffer): Buffer {
    if (batch.length > SLAB_BYTES / 2) {
      const copy = Buffer.allocUnsafeSlow(batch.length);
      batch.copy(copy);
      return copy;
    }
    if (this.#slab === undefined || this.#slabUsed + batch.length > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const copy = this.#slab.subarray(this.#slabUsed, this.#slabUsed + batch.length);
    batch.copy(copy);
    this.#slabUsed += batch.length;
    return copy;
  }

  /** Entries of batches that were dropped by truncation are still in the queue and then take the next oldest. */
  #evictOldest(admitting: LogTail): void {
    const tail = this.#queue[this.#head];
    this.#head += 1;
    if (this.#head >= DEAD_ENTRIES_MAX && this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    if (tail !== undefined) tail.dropOldest();
    else admitting.clear();
  }
}

/** The newest batches of one log. */
export class LogTail {
  readonly #cache: BatchCache;
  #batches: Buffer[] = [];
  #baseOffsets: number[] = [];
  #head = 0;

  constructor(cache: BatchCache) {
    this.#cache = cache;
  }

  /** The base offset of the oldest batch that is kept; undefined when none is. */
  get firstOffset(): number | undefined {
    return this.#baseOffsets[this.#head];
  }

  append(batch: Buffer, baseOffset: number): void {
    const kept = this.#cache.admit(this, batch);
    if (kept === undefined) {
      this.clear();
      return;
    }
    this.#batches.push(kept);
    this.#baseOffsets.push(baseOffset);
  }

  /** The place of the batch that holds `offset`, for `batchAt`; the offset must not be below `firstOffset`. */
  find(offset: number): number {
    let low = this.#head;
    let high = this.#baseOffsets.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#baseOffsets[middle] <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  batchAt(place: number): Buffer | undefined {
    return this.#batches[place];
  }

  baseOffsetAt(place: number): number {
    return this.#baseOffsets[place];
  }

  dropOldest(): void {
    const batch = this.#batches[this.#head];
    if (batch === undefined) return;
    this.#cache.release(batch.length);
    // The slot would keep the batch alive until the array is cut.
    this.#batches[this.#head] = NOTHING;
    this.#head += 1;
    if (this.#head === this.#batches.length) {
      this.#batches = [];
      this.#baseOffsets = [];
      this.#head = 0;
    } else if (this.#head >= DEAD_ENTRIES_MAX && this.#head * 2 >= this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#baseOffsets = this.#baseOffsets.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Forgets batches that begin at `offset` or later. */
  truncateTo(offset: number): void {
    while (this.#batches.length > this.#head && this.#baseOffsets[this.#baseOffsets.length - 1] >= offset) {
      this.#cache.release(this.#batches.pop()!.length);
      this.#baseOffsets.pop();
    }
  }

  clear(): void {
    for (let place = this.#head; place < this.#batches.length; place++) {
      this.#cache.release(this.#batches[place].length);
    }
    this.#batches = [];
    this.#baseOffsets = [];
    this.#head = 0;
  }
}

const NOTHING = Buffer.alloc(0);
