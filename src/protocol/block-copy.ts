/**
 * The two steps that LZ4 and Snappy are made of: copying literal bytes from the input, and repeating bytes that were put
 * out before. Short copies, which most are, go eight bytes at a time through DataViews and may write up to seven bytes too
 * many, where what comes next writes again: that makes decoding more than three times as fast as byte by byte
 * (bench/codec.ts). The bigints that this names never exist: the engine keeps a value that is only moved in a register.
 */

/** From here on a call into the engine is cheaper than a loop. */
const SHORT_BYTES_MAX = 128;
/** Of a period shorter than eight bytes, up to here. */
const SHORT_REPEAT_BYTES_MAX = 32;
/** What a copy in steps of eight may touch beyond its end. */
const OVERRUN_BYTES = 7;

/** Copies within one decompression. The callers have checked that what they ask for lies within input and output. */
export class BlockCopy {
  readonly input: Buffer;
  readonly output: Buffer;
  /** The input and the output once more, for the decoders' own short copies. */
  readonly source: DataView;
  readonly target: DataView;
  private readonly inputSafe: number;
  private readonly outputSafe: number;

  constructor(input: Buffer, output: Buffer) {
    this.input = input;
    this.output = output;
    this.source = new DataView(input.buffer, input.byteOffset, input.length);
    this.target = new DataView(output.buffer, output.byteOffset, output.length);
    this.inputSafe = input.length - OVERRUN_BYTES;
    this.outputSafe = output.length - OVERRUN_BYTES;
  }

  /** Copies `size` bytes of the input from `at` to the output at `to`. */
  literal(at: number, to: number, size: number): void {
    if (size > SHORT_BYTES_MAX || at + size > this.inputSafe || to + size > this.outputSafe) {
      this.output.set(this.input.subarray(at, at + size), to);
      return;
    }
    const { source, target } = this;
    for (let done = 0; done < size; done += 8)
      target.setBigInt64(to + done, source.getBigInt64(at + done, true), true);
  }

  /** Copies to the output at `to` the `length` bytes that begin `offset` bytes before, which may run into the copy. */
  match(to: number, offset: number, length: number): void {
    const from = to - offset;
    if (offset >= 8 && length <= SHORT_BYTES_MAX && to + length <= this.outputSafe) {
      const { target } = this;
      for (let done = 0; done < length; done += 8) {
        target.setBigInt64(to + done, target.getBigInt64(from + done, true), true);
      }
      return;
    }
    const { output } = this;
    const end = to + length;
    if (length <= SHORT_REPEAT_BYTES_MAX) {
      for (let done = 0; done < length; done++) output[to + done] = output[from + done];
      return;
    }
    if (offset === 1) {
      output.fill(output[to - 1], to, end);
      return;
    }
    // A period of `offset` bytes: with each step there is twice as much of it to copy.
    for (let at = to; at < end;) {
      const size = Math.min(at - from, end - at);
      output.copyWithin(at, from, from + size);
      at += size;
    }
  }
}
