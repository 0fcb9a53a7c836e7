/**
 * Buffers for frames that do not fit into one chunk of the socket, and for what is read from logs, kept for the next one.
 * Allocating each of them anew costs a broker as much as the rest of a request (fresh pages, garbage collection of
 * outside memory).
 */

/** Below this a fresh buffer is as cheap. */
const SLAB_BYTES_MIN = 8 * 1024;
/** Larger frames are rare: their memory goes back to the system at once, not when the collector finds the time. */
const SLAB_BYTES_MAX = 4 * 1024 * 1024;

export class SlabPool {
  readonly #keptBytesMax: number;
  /** Free slabs by size class: index = log2 of the size. */
  readonly #free: Buffer[][] = [];
  #keptBytes = 0;

  constructor(options: { readonly keptBytesMax: number }) {
    this.#keptBytesMax = options.keptBytesMax;
  }

  /** A buffer of at least `sizeBytes`; its content is undefined. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes < SLAB_BYTES_MIN || sizeBytes > SLAB_BYTES_MAX) return Buffer.allocUnsafeSlow(sizeBytes);
    const sizeClass = 32 - Math.clz32(sizeBytes - 1);
    const slab = this.#free[sizeClass]?.pop();
    if (slab === undefined) return Buffer.allocUnsafeSlow(2 ** sizeClass);
    this.#keptBytes -= slab.length;
    return slab;
  }

  /** Gives back what `take` gave; nobody may hold a view of it any more. */
  give(slab: Buffer): void {
    const size = slab.length;
    if (size > SLAB_BYTES_MAX) return letGo(slab);
    if (size < SLAB_BYTES_MIN || (size & (size - 1)) !== 0) return;
    if (this.#keptBytes + size > this.#keptBytesMax) return;
    this.#keptBytes += size;
    (this.#free[31 - Math.clz32(size)] ??= []).push(slab);
  }

  keptBytes(): number {
    return this.#keptBytes;
  }
}

/** A view that somebody holds against the rule is empty from now on, and never shows another frame's bytes. */
function letGo({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
