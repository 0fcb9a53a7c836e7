/**
 * Cuts a byte stream into frames: int32 size, then that many bytes. A frame that lies within one chunk is a view of it,
 * to be used before the next chunk comes; a frame over several chunks is copied once into a buffer of its own. What a peer
 * declares is only a number: the buffer grows with what has arrived, so a lying size costs the liar's bytes and not ours.
 */
import { SlabPool } from '../base/slab-pool.ts';

/** A size that no frame may have. The stream cannot be read any further: the connection is closed. */
export class FrameSizeError extends Error {
  constructor(sizeBytes: number, sizeBytesMax: number) {
    super(`frame of ${sizeBytes} bytes, allowed are 1 to ${sizeBytesMax}`);
    this.name = 'FrameSizeError';
  }
}

export interface Frame {
  readonly bytes: Buffer;
  /** The slab that holds `bytes`, to be given back to the pool once nobody looks at them; undefined for a view. */
  readonly slab: Buffer | undefined;
}

/** A frame's buffer is at most this many times as large as what has arrived of the frame... */
const GROWTH = 16;
/** ...or this large, whichever is more. */
const CAPACITY_BYTES_MIN = 4 * 1024;
const SIZE_BYTES = 4;
const SIZE_UNKNOWN = -1;

export class FrameCutter {
  readonly #pool: SlabPool;
  /** May be raised once the peer has authenticated. */
  sizeBytesMax: number;
  #chunk: Buffer | undefined;
  #at = 0;
  /** The declared size of the frame being read. */
  #size = SIZE_UNKNOWN;
  /** The first bytes of a size that lies across two chunks. */
  readonly #sizeBytes = [0, 0, 0, 0];
  #sizeBytesRead = 0;
  /** The frame's bytes so far, when it began in an earlier chunk. */
  #slab: Buffer | undefined;
  #filled = 0;

  constructor(options: { readonly sizeBytesMax: number; readonly pool?: SlabPool }) {
    this.sizeBytesMax = options.sizeBytesMax;
    this.#pool = options.pool ?? new SlabPool({ keptBytesMax: 0 });
  }

  /** Takes the next chunk; the one before must have been used up by `next`. */
  push(chunk: Buffer): void {
    if (this.#chunk === undefined) {
      this.#chunk = chunk;
      this.#at = 0;
      return;
    }
    // The socket was paused in the middle of a chunk and gave one more that was already on its way.
    const rest = this.#chunk.subarray(this.#at);
    this.#chunk = Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /** The next whole frame, or undefined until more is pushed. Throws FrameSizeError. */
  next(): Frame | undefined {
    const chunk = this.#chunk;
    if (chunk === undefined) return undefined;
    if (this.#size === SIZE_UNKNOWN && !this.#readSize(chunk)) return undefined;
    const size = this.#size;
    const available = chunk.length - this.#at;
    if (this.#slab === undefined && available >= size) {
      const bytes = chunk.subarray(this.#at, this.#at + size);
      this.#advance(size);
      this.#size = SIZE_UNKNOWN;
      return { bytes, slab: undefined };
    }
    return this.#collect(chunk, Math.min(available, size - this.#filled));
  }

  /** The chunk is about to be used again: what of it is not cut yet is copied. */
  keep(): void {
    if (this.#chunk === undefined) return;
    this.#chunk = Buffer.from(this.#chunk.subarray(this.#at));
    this.#at = 0;
  }

  /** True between the first byte of a frame and its last. */
  isInsideFrame(): boolean {
    return this.#size !== SIZE_UNKNOWN || this.#sizeBytesRead > 0;
  }

  /** Bytes that are held for a frame that is not whole, and of a chunk that is not used up. */
  heldBytes(): number {
    return (this.#slab?.length ?? 0) + (this.#chunk?.length ?? 0);
  }

  /** Bytes that have arrived and are in no whole frame yet. */
  arrivedBytes(): number {
    const unread = this.#chunk === undefined ? 0 : this.#chunk.length - this.#at;
    return this.#filled + unread + (this.isInsideFrame() ? SIZE_BYTES : 0);
  }

  /** The stream has ended: what is held of an unfinished frame goes back. */
  close(): void {
    if (this.#slab !== undefined) this.#pool.give(this.#slab);
    this.#slab = undefined;
    this.#chunk = undefined;
    this.#filled = 0;
  }

  #readSize(chunk: Buffer): boolean {
    let size: number;
    if (this.#sizeBytesRead === 0 && chunk.length - this.#at >= SIZE_BYTES) {
      size = chunk.readInt32BE(this.#at);
      this.#advance(SIZE_BYTES);
    } else {
      const bytes = this.#sizeBytes;
      while (this.#sizeBytesRead < SIZE_BYTES && this.#at < chunk.length) {
        bytes[this.#sizeBytesRead++] = chunk[this.#at++]!;
      }
      this.#advance(0);
      if (this.#sizeBytesRead < SIZE_BYTES) return false;
      this.#sizeBytesRead = 0;
      size = (bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!;
    }
    if (size < 1 || size > this.sizeBytesMax) throw new FrameSizeError(size, this.sizeBytesMax);
    this.#size = size;
    return this.#chunk !== undefined;
  }

  #collect(chunk: Buffer, count: number): Frame | undefined {
    if (count === 0) return undefined;
    const wanted = this.#filled + count;
    if (this.#slab === undefined || this.#slab.length < wanted) this.#grow(wanted);
    chunk.copy(this.#slab!, this.#filled, this.#at, this.#at + count);
    this.#filled = wanted;
    this.#advance(count);
    if (wanted < this.#size) return undefined;
    const slab = this.#slab!;
    const bytes = slab.subarray(0, this.#size);
    this.#slab = undefined;
    this.#filled = 0;
    this.#size = SIZE_UNKNOWN;
    return { bytes, slab };
  }

  #grow(wanted: number): void {
    const before = this.#slab;
    this.#slab = this.#pool.take(Math.min(this.#size, Math.max(CAPACITY_BYTES_MIN, GROWTH * wanted)));
    if (before === undefined) return;
    before.copy(this.#slab, 0, 0, this.#filled);
    this.#pool.give(before);
  }

  /** Moves on; a chunk that is used up is let go at once, so that an idle connection holds none. */
  #advance(count: number): void {
    this.#at += count;
    if (this.#at < this.#chunk!.length) return;
    this.#chunk = undefined;
    this.#at = 0;
  }
}
