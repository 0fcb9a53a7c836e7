/**
 * The latest offset of each key in the part of a log that is being cleaned: a hash table with open addressing, in one
 * piece of memory. A key is known by its fingerprint (key-hash.ts) alone.
 *
 *   6 int32 a slot: four of the fingerprint, the offset's low 32 bits, its high bits plus 1 (0: the slot is free)
 *
 * The table starts small and doubles up to its limit, so that a log with few keys takes little memory.
 */
import type { KeyHash } from './key-hash.ts';

export const SLOT_BYTES = 24;
const SLOT_WORDS = SLOT_BYTES / 4;
const SLOTS_INITIAL = 4096;
/** Below the limit on memory the table grows when it is that full: probes stay short. */
const GROW_LOAD = 0.7;
const TWO_32 = 2 ** 32;

export interface OffsetMapOptions {
  readonly bytesMax: number;
  /** 0 to 1: how full a table of `bytesMax` may be (log.cleaner.io.buffer.load.factor). */
  readonly loadFactor: number;
  readonly hash: KeyHash;
}

export class OffsetMap {
  /** Offsets up to this one were put in, or need not be. */
  latestOffset = -1;
  readonly #hash: KeyHash;
  readonly #slotsMax: number;
  readonly #loadFactor: number;
  #words: Int32Array;
  #slots: number;
  #entriesMax: number;
  #count = 0;

  constructor(options: OffsetMapOptions) {
    this.#hash = options.hash;
    this.#loadFactor = options.loadFactor;
    this.#slotsMax = Math.floor(options.bytesMax / SLOT_BYTES);
    this.#slots = Math.min(SLOTS_INITIAL, this.#slotsMax);
    this.#words = new Int32Array(this.#slots * SLOT_WORDS);
    this.#entriesMax = this.#limitOf(this.#slots);
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#words.byteLength;
  }

  /** Of the most keys that it may hold. */
  get utilization(): number {
    return this.#count / Math.max(1, this.#slotsMax);
  }

  /** At least one slot stays free, or a search for a key that is not there would never end. */
  #limitOf(slots: number): number {
    const load = slots < this.#slotsMax ? GROW_LOAD : this.#loadFactor;
    return Math.min(slots - 1, Math.floor(slots * load));
  }

  /** The key is buffer[from, to). False: it is new, and there is no room. */
  put(buffer: Uint8Array, from: number, to: number, offset: number): boolean {
    this.#hash.take(buffer, from, to);
    let at = this.#find();
    let words = this.#words;
    if (words[at + 5] === 0) {
      if (this.#count >= this.#entriesMax) {
        if (this.#slots >= this.#slotsMax) return false;
        this.#grow();
        words = this.#words;
        at = this.#find();
      }
      const { a, b, c, d } = this.#hash;
      words[at] = a;
      words[at + 1] = b;
      words[at + 2] = c;
      words[at + 3] = d;
      this.#count += 1;
    }
    words[at + 4] = offset | 0;
    words[at + 5] = Math.floor(offset / TWO_32) + 1;
    return true;
  }

  /** -1 for a key that is not there. */
  get(buffer: Uint8Array, from: number, to: number): number {
    this.#hash.take(buffer, from, to);
    const at = this.#find();
    const high = this.#words[at + 5];
    return high === 0 ? -1 : (high - 1) * TWO_32 + (this.#words[at + 4] >>> 0);
  }

  clear(): void {
    this.#words.fill(0);
    this.#count = 0;
    this.latestOffset = -1;
  }

  /** The slot of the fingerprint that was taken last, or the free one for it. */
  #find(): number {
    const { a, b, c, d } = this.#hash;
    const words = this.#words;
    const end = this.#slots * SLOT_WORDS;
    let at = slotOf(a, this.#slots) * SLOT_WORDS;
    while (
      words[at + 5] !== 0 &&
      (words[at] !== a || words[at + 1] !== b || words[at + 2] !== c || words[at + 3] !== d)
    ) {
      at += SLOT_WORDS;
      if (at === end) at = 0;
    }
    return at;
  }

  #grow(): void {
    const old = this.#words;
    this.#slots = Math.min(this.#slots * 2, this.#slotsMax);
    this.#entriesMax = this.#limitOf(this.#slots);
    const words = new Int32Array(this.#slots * SLOT_WORDS);
    for (let from = 0; from < old.length; from += SLOT_WORDS) {
      if (old[from + 5] === 0) continue;
      let at = slotOf(old[from], this.#slots) * SLOT_WORDS;
      while (words[at + 5] !== 0) {
        at += SLOT_WORDS;
        if (at === words.length) at = 0;
      }
      for (let word = 0; word < SLOT_WORDS; word++) words[at + word] = old[from + word];
    }
    this.#words = words;
  }
}

/** Evenly over all slots, whose number need not be a power of two. */
function slotOf(hash: number, slots: number): number {
  return Math.floor(((hash >>> 0) * slots) / TWO_32);
}
