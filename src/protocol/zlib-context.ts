/**
 * gzip and zstd for many small inputs: a context of Node's that is kept from one input to the next. `gunzipSync` and
 * `zstdDecompressSync` make a stream object, a native context and its tables for each call, which costs as much as decompressing
 * 16 KiB of zstd. Keeping one needs two fields of Node's streams that its documentation does not name,
 * though packages have built on them for long; where they are missing, or an input is unusual in any way, the caller goes
 * the documented way. So a context only ever answers what that way would have answered.
 */
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';

import { isOneZstdFrame } from './zstd-frame.ts';

/**
 * A kept context keeps the largest window that a frame asked for. Frames of levels up to 19 ask for no more than 8 MiB, of
 * which only as much is ever touched as is decompressed.
 */
const ZSTD_KEPT_WINDOW_LOG_MAX = 23;
/** The stream's own output is not used: the least that Node allows. */
const CHUNK_BYTES_MIN = 64;

interface Handle {
  /** Yields nothing: the stream's `_writeState` says what came of it. After an error the stream is destroyed. */
  writeSync(
    flush: number,
    input: Buffer,
    inputAt: number,
    inputBytes: number,
    output: Buffer,
    outputAt: number,
    outputBytes: number,
  ): void;
  reset(): void;
}

interface ZlibStream {
  readonly destroyed: boolean;
  readonly _handle?: Handle | null;
  /** Bytes left of the output, bytes left of the input. */
  readonly _writeState?: Uint32Array;
  destroy(): void;
  on(event: 'error', listener: () => void): void;
}

export class ZlibContext {
  readonly #type: 'gzip' | 'zstd';
  #stream: ZlibStream | undefined;

  constructor(type: 'gzip' | 'zstd') {
    this.#type = type;
  }

  /** Decompresses all of `input` to the beginning of `output`; yields the bytes that it took, or -1, whyever. */
  decompressInto(input: Buffer, output: Buffer): number {
    if (input.length === 0 || output.length === 0) return -1;
    // Of a frame that is cut off a kept context may say nothing, and take the next input for the rest of it.
    if (this.#type === 'zstd' && !isOneZstdFrame(input)) return -1;
    const stream = (this.#stream ??= open(this.#type));
    const handle = stream._handle;
    const state = stream._writeState;
    if (typeof handle?.writeSync !== 'function' || state?.length !== 2) return -1;
    const flush = this.#type === 'gzip' ? constants.Z_FINISH : constants.ZSTD_e_end;
    handle.writeSync(flush, input, 0, input.length, output, 0, output.length);
    const [outputLeft, inputLeft] = state;
    // A full output may be all or not, and input that is left may be a mistake: neither leaves the context at a beginning.
    if (stream.destroyed || stream._handle !== handle || outputLeft === 0 || inputLeft !== 0) {
      stream.destroy();
      this.#stream = undefined;
      return -1;
    }
    // A zstd context begins anew by itself when a frame has ended.
    if (this.#type === 'gzip') handle.reset();
    return output.length - outputLeft;
  }
}

function open(type: 'gzip' | 'zstd'): ZlibStream {
  const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_KEPT_WINDOW_LOG_MAX };
  const stream =
    type === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES_MIN })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES_MIN, params });
  // It is told of what was found out already, and nobody else listens.
  stream.on('error', () => {});
  return stream as unknown as ZlibStream;
}
