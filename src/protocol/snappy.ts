/**
 * Decoding of Snappy, raw and in the framing that Java clients put around it (xerial's: a header of 16 bytes, then
 * chunks of int32 size and raw Snappy). Kafka takes both; librdkafka and others send it raw. A raw block states its
 * size first, which is believed only as far as its bytes could yield it.
 * Format: https://github.com/google/snappy/blob/main/format_description.txt
 */
import { CompressionError } from './compression-error.ts';
import { copyMatch } from './copy-match.ts';

/** The framing's header: magic, then int32 version and int32 smallest version that can read it. */
const FRAMING_MAGIC = Buffer.from('\x82SNAPPY\0', 'latin1');
const FRAMING_HEADER_BYTES = 16;
const FRAMING_VERSION_MIN = 1;
/** Data per chunk, as Java writes it. */
const CHUNK_BYTES = 32_768;
/** No element yields more: a copy of 64 bytes takes three. */
const YIELD_PER_BYTE_MAX = 22;

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

/** Decodes raw or framed Snappy. */
export function snappyDecompress(input: Buffer, maxBytes: number): Buffer {
  if (input.length === 0) throw corrupt('no bytes');
  const isFramed =
    input.length >= FRAMING_MAGIC.length && FRAMING_MAGIC.equals(input.subarray(0, FRAMING_MAGIC.length));
  if (!isFramed) {
    const output = Buffer.allocUnsafe(statedSize(input, 0, input.length, maxBytes));
    decodeBlock(input, 0, input.length, output, 0);
    return output;
  }
  const sizeBytes = forEachChunk(input, 0, (from, to, at) => at + statedSize(input, from, to, maxBytes - at));
  const output = Buffer.allocUnsafe(sizeBytes);
  forEachChunk(input, 0, (from, to, at) => decodeBlock(input, from, to, output, at));
  return output;
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

/** Decodes the raw block to `output` from `begin` on, and yields where it ended: `begin` plus the stated size. */
function decodeBlock(input: Buffer, from: number, end: number, output: Buffer, begin: number): number {
  let at = from;
  let stated = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = input[at++];
    stated += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  const stop = begin + stated;
  let to = begin;
  while (at < end) {
    const tag = input[at++];
    const kind = tag & 3;
    if (kind === 0) {
      let size = (tag >>> 2) + 1;
      if (size > 60) {
        const sizeBytes = size - 60;
        if (at + sizeBytes > end) throw corrupt('ends within a literal size');
        size = 1;
        for (let i = 0; i < sizeBytes; i++) size += input[at + i] * 2 ** (8 * i);
        at += sizeBytes;
      }
      if (size > end - at || size > stop - to) throw corrupt(`literal of ${size} bytes at ${at}`);
      if (size > 32) {
        output.set(input.subarray(at, at + size), to);
        at += size;
        to += size;
      } else {
        for (const last = at + size; at < last;) output[to++] = input[at++];
      }
      continue;
    }
    let length: number;
    let offset: number;
    if (kind === 1) {
      if (at + 1 > end) throw corrupt('ends within a copy');
      length = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | input[at];
      at += 1;
    } else {
      const bytes = kind === 2 ? 2 : 4;
      if (at + bytes > end) throw corrupt('ends within a copy');
      length = (tag >>> 2) + 1;
      offset = kind === 2 ? input.readUInt16LE(at) : input.readUInt32LE(at);
      at += bytes;
    }
    if (offset === 0 || offset > to - begin || length > stop - to)
      throw corrupt(`copy of ${length} from ${offset} back`);
    to = copyMatch(output, to, offset, length);
  }
  if (to !== stop) throw corrupt(`${to - begin} bytes instead of ${stated}`);
  return to;
}
