/**
 * Decompression for those who open one batch after another and have done with each before the next: into memory that is
 * used again, by contexts that are used again. Memory made anew for each batch is page faults, and garbage outside the heap
 * that is collected late (bench/codec.ts).
 */
import { decompress } from './compression.ts';
import { lz4DecompressInto } from './lz4.ts';
import type { CompressionType } from './record-batch.ts';
import { snappyDecompress } from './snappy.ts';
import { ZlibContext } from './zlib-context.ts';

/** What is kept. Larger batches get memory of their own, as do those that may be too large for this or damaged. */
const SCRATCH_BYTES = 4 * 1024 ** 2;

export class Decompressor {
  #scratch: Buffer | undefined;
  readonly #gzip = new ZlibContext('gzip');
  readonly #zstd = new ZlibContext('zstd');

  /**
   * As `decompress`, with the same bytes and the same errors. What it yields stays as it is until the next call only: it
   * is for whoever looks at it at once, and never leaves the broker.
   */
  open(type: CompressionType, input: Buffer, limits: { readonly maxBytes: number }): Buffer {
    if (type === 'none') return decompress(type, input, limits);
    // Pages of it that no batch has reached take no memory.
    const scratch = (this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES));
    if (type === 'snappy') return snappyDecompress(input, { ...limits, scratch });
    const output = limits.maxBytes < scratch.length ? scratch.subarray(0, limits.maxBytes) : scratch;
    const sizeBytes = this.#into(type, input, output);
    return sizeBytes < 0 ? decompress(type, input, limits) : output.subarray(0, sizeBytes);
  }

  #into(type: 'gzip' | 'lz4' | 'zstd', input: Buffer, output: Buffer): number {
    if (type === 'lz4') return lz4DecompressInto(input, output);
    return (type === 'gzip' ? this.#gzip : this.#zstd).decompressInto(input, output);
  }
}
