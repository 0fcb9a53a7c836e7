/**
 * Compression of record batches and client telemetry: Kafka's four codecs. gzip and zstd are Node's; LZ4 and Snappy are
 * written by WebAssembly and read by our own decoders, since what comes from outside must be bounded before it is
 * believed. Whatever the bytes are, decompression ends in a Buffer of at most `maxBytes` or in a CompressionError.
 */
import { createRequire } from 'node:module';
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

import { CompressionError } from './compression-error.ts';
import { lz4Decompress } from './lz4.ts';
import type { CompressionType } from './record-batch.ts';
import { snappyDecompress, snappyFrame } from './snappy.ts';

export { CompressionError };

/** A frame may ask for a window of 128 MiB, as Kafka's reader allows; only what is written of it takes memory. */
const ZSTD_WINDOW_LOG_MAX = 27;
/** An LZ4 frame without blocks (64 KiB blocks, independent), which the WebAssembly encoder cannot make. */
const LZ4_EMPTY = Buffer.from('04224d1860408200000000', 'hex');

interface Wasm {
  lz4Compress(input: Buffer): Buffer;
  snappyCompress(input: Buffer): Buffer;
}
let wasm: Wasm | undefined;

/** Loaded on first use: a broker whose clients use neither codec never compiles it. */
function encoders(): Wasm {
  return (wasm ??= createRequire(import.meta.url)('@platformatic/wasm-utils') as Wasm);
}

/**
 * Compresses `input`; `level` is that of the codec: gzip 1 to 9 (or -1), zstd -131072 to 22. LZ4 and Snappy know one
 * level, so Kafka's `compression.lz4.level` has no effect.
 */
export function compress(type: CompressionType, input: Buffer, level?: number): Buffer {
  switch (type) {
    case 'none':
      return input;
    case 'gzip':
      return gzipSync(input, level === undefined ? {} : { level });
    case 'zstd':
      return zstdCompressSync(input, {
        params: level === undefined ? {} : { [constants.ZSTD_c_compressionLevel]: level },
      });
    case 'lz4':
      return input.length === 0 ? LZ4_EMPTY : encoders().lz4Compress(input);
    case 'snappy':
      return snappyFrame(input, (block) => encoders().snappyCompress(block));
  }
}

/** Decompresses `input` to at most `maxBytes`; throws CompressionError, and nothing else. */
export function decompress(
  type: CompressionType,
  input: Buffer,
  limits: { readonly maxBytes: number },
): Buffer {
  const { maxBytes } = limits;
  switch (type) {
    case 'none':
      if (input.length > maxBytes) throw new CompressionError('too large', `more than ${maxBytes} bytes`);
      return input;
    case 'lz4':
      return lz4Decompress(input, maxBytes);
    case 'snappy':
      return snappyDecompress(input, limits);
    case 'gzip':
      return fromZlib(type, maxBytes, (maxOutputLength) => gunzipSync(input, { maxOutputLength }));
    case 'zstd':
      return fromZlib(type, maxBytes, (maxOutputLength) =>
        zstdDecompressSync(input, {
          maxOutputLength,
          params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
        }),
      );
  }
}

function fromZlib(type: string, maxBytes: number, run: (maxOutputLength: number) => Buffer): Buffer {
  try {
    // Node takes no limit of 0: one byte more than nothing is found out below.
    const output = run(Math.max(1, maxBytes));
    if (output.length <= maxBytes) return output;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new CompressionError('corrupt', `${type}: ${message}`, { cause: error });
    }
  }
  throw new CompressionError('too large', `${type}: more than ${maxBytes} bytes`);
}
