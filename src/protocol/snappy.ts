/**
 * Decoding of Snappy, raw and in the framing that Java clients put around it (xerial's: a header of 16 bytes, then
 * chunks of int32 size and raw Snappy). Kafka takes both; librdkafka and others send it raw. A raw block states its
 * size first, which is believed only as far as its bytes could yield it.
 * Format: https://github.com/google/snappy/blob/main/format_description.txt
 */
import { BlockCopy } from './block-copy.ts';
import { CompressionError } from './compression-error.ts';

/** The framing's header: magic, then int32 version and int32 smallest version that can read it. */
const FRAMING_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1');
const FRAMING_HEADER_BYTES = 16;
const FRAMING_VERSION_MIN = 1;
/** Data per chunk, as Java writes it. */
const CHUNK_BYTES = 32_768;
/** No element yields more: a copy of 64 bytes takes three. */
const YIELD_PER_BYTE_MAX = 22;

/** A literal of at most this many bytes is done in two steps of eight; with its tag it may touch so much of the input. */
const SHORT_LITERAL_BYTES = 16;
const SHORT_INPUT_BYTES = 1 + SHORT_LITERAL_BYTES;
/** No copy is longer. */
const SHORT_OUTPUT_BYTES = 64;

const corrupt = (what: string): CompressionError => new CompressionError('corrupt', `snappy: ${what}`);

/** Puts the framing around blocks that `compressBlock` makes. */
export function snappyFrame(input: Buffer, compressBlock: (block: Buffer) => Buffer): Buffer {
  const header = Buffer.alloc(FRAMING_HEADER_BYTES);
  FRAMING_MAGIC.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(FRAMING_VERSION_MIN, 12);
  const parts: Buffer[] = [header];
  for (let at = 0; at < input.length; at += CHUNK_BYTES) {
    const block = compressBlock(input.subarray(at, at + CHUNK_BYTES));
    const size = Buffer.allocUnsafe(4);
    size.writeInt32BE(block.length, 0);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}

/** Decodes raw or framed Snappy: to the beginning of `scratch`, where it is large enough, else into memory of its own. */
export function snappyDecompress(
  input: Buffer,
  { maxBytes, scratch }: { readonly maxBytes: number; readonly scratch?: Buffer },
): Buffer {
  if (input.length === 0) throw corrupt('no bytes');
  const isFramed =
    input.length >= FRAMING_MAGIC.length && FRAMING_MAGIC.equals(input.subarray(0, FRAMING_MAGIC.length));
  if (!isFramed) {
    const output = room(statedSize(input, 0, input.length, maxBytes), scratch);
    decodeBlock(new BlockCopy(input, output), 0, input.length, 0);
    return output;
  }
  const sizeBytes = forEachChunk(input, 0, (from, to, at) => at + statedSize(input, from, to, maxBytes - at));
  const output = room(sizeBytes, scratch);
  const copy = new BlockCopy(input, output);
  forEachChunk(input, 0, (from, to, at) => decodeBlock(copy, from, to, at));
  return output;
}

function room(sizeBytes: number, scratch: Buffer | undefined): Buffer {
  return scratch !== undefined && sizeBytes <= scratch.length
    ? scratch.subarray(0, sizeBytes)
    : Buffer.allocUnsafe(sizeBytes);
}

/** Visits the chunks, passing on what the visit before returned; headers may recur, where streams were put together. */
function forEachChunk(
  input: Buffer,
  initial: number,
  visit: (from: number, to: number, carried: number) => number,
): number {
  let carried = initial;
  let at = 0;
  while (at < input.length) {
    if (input.length - at < 4) throw corrupt('ends within a chunk size');
    const size = input.readInt32BE(at);
    if (size === FRAMING_MAGIC.readInt32BE(0)) {
      if (input.length - at < FRAMING_HEADER_BYTES) throw corrupt('ends within a header');
      if (!FRAMING_MAGIC.equals(input.subarray(at, at + 8))) throw corrupt('chunk of negative size');
      const version = input.readInt32BE(at + 8);
      if (version < FRAMING_VERSION_MIN) throw corrupt(`framing version ${version}`);
      at += FRAMING_HEADER_BYTES;
      continue;
    }
    at += 4;
    if (size < 0 || size > input.length - at)
      throw corrupt(`chunk of ${size} bytes, ${input.length - at} remain`);
    carried = visit(at, at + size, carried);
    at += size;
  }
  return carried;
}

/** The size that a raw block says it has, checked against what its bytes could yield and against the limit. */
function statedSize(input: Buffer, from: number, end: number, maxBytes: number): number {
  let size = 0;
  let at = from;
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 28) throw corrupt('no size');
    const byte = input[at++];
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  if (size > (end - at) * YIELD_PER_BYTE_MAX) throw corrupt(`${size} bytes cannot come of ${end - at}`);
  if (size > maxBytes) throw new CompressionError('too large', `snappy: more than ${maxBytes} bytes`);
  return size;
}

/** One to four bytes, the lowest first, as an int32: what does not fit is negative, and refused by whoever asks. */
function little(input: Buffer, at: number, sizeBytes: number): number {
  let value = 0;
  for (let i = 0; i < sizeBytes; i++) value |= input[at + i] << (8 * i);
  return value;
}

/** Decodes the raw block between `from` and `end` to `begin` on; yields where it ended: `begin` and the stated size. */
function decodeBlock(copy: BlockCopy, from: number, end: number, begin: number): number {
  const { input, source, target } = copy;
  let at = from;
  let stated = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++];
    stated |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  const stop = begin + stated;
  const inputSafe = end - SHORT_INPUT_BYTES;
  const outputSafe = stop - SHORT_OUTPUT_BYTES;
  let to = begin;
  while (at < end) {
    // Most elements are short, and lie where a few bytes too many can be read and written.
    if (at <= inputSafe && to <= outputSafe) {
      const tag = source.getUint8(at);
      const kind = tag & 3;
      if (kind === 0 && tag < SHORT_LITERAL_BYTES << 2) {
        target.setBigInt64(to, source.getBigInt64(at + 1, true), true);
        if (tag >= 8 << 2) target.setBigInt64(to + 8, source.getBigInt64(at + 9, true), true);
        at += (tag >>> 2) + 2;
        to += (tag >>> 2) + 1;
        continue;
      }
      if (kind === 1 || kind === 2) {
        const offset =
          kind === 1 ? ((tag >>> 5) << 8) | source.getUint8(at + 1) : source.getUint16(at + 1, true);
        const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
        const refers = to - offset;
        if (offset >= 8 && refers >= begin) {
          target.setBigInt64(to, target.getBigInt64(refers, true), true);
          for (let done = 8; done < length; done += 8) {
            target.setBigInt64(to + done, target.getBigInt64(refers + done, true), true);
          }
          at += kind + 1;
          to += length;
          continue;
        }
      }
    }
    const tag = input[at++];
    const kind = tag & 3;
    if (kind === 0) {
      let size = (tag >>> 2) + 1;
      if (size > 60) {
        const sizeBytes = size - 60;
        if (at + sizeBytes > end) throw corrupt('ends within a literal size');
        size = little(input, at, sizeBytes) + 1;
        at += sizeBytes;
      }
      if (size <= 0 || size > end - at || size > stop - to)
        throw corrupt(`literal of ${size} bytes at ${at}`);
      copy.literal(at, to, size);
      at += size;
      to += size;
      continue;
    }
    let length = (tag >>> 2) + 1;
    let offset: number;
    if (kind === 2) {
      if (at + 2 > end) throw corrupt('ends within a copy');
      offset = input[at] | (input[at + 1] << 8);
      at += 2;
    } else if (kind === 1) {
      if (at + 1 > end) throw corrupt('ends within a copy');
      length = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | input[at];
      at += 1;
    } else {
      if (at + 4 > end) throw corrupt('ends within a copy');
      offset = little(input, at, 4);
      at += 4;
    }
    if (offset <= 0 || offset > to - begin || length > stop - to)
      throw corrupt(`copy of ${length} from ${offset} back`);
    copy.match(to, offset, length);
    to += length;
  }
  if (to !== stop) throw corrupt(`${to - begin} bytes instead of ${stated}`);
  return to;
}
