/**
 * Decoding of the LZ4 frame format as Kafka clients write it: with or without content size and checksums, with
 * independent or linked blocks, stored or compressed. A first pass over the sequences measures what a block will yield
 * and checks each reference, so that nothing is allocated before its true size is known to be within the limit; the
 * second pass then copies without doubts. Layout: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
import { BlockCopy } from './block-copy.ts';
import { CompressionError } from './compression-error.ts';
import { xxh32 } from './xxh32.ts';

const FRAME_MAGIC = 0x184d2204;
const LINKED_WINDOW_BYTES = 65_536;
/** The size of a block; the bit above it, the sign, says that the block is stored and not compressed. */
const SIZE_MASK = 0x7fff_ffff;
const MATCH_BYTES_MIN = 4;

const corrupt = (what: string): CompressionError => new CompressionError('corrupt', `lz4: ${what}`);

interface Frame {
  readonly hasBlockChecksums: boolean;
  /** Where the first block's size is. */
  readonly blocksAt: number;
  /** What all blocks yield together. */
  readonly sizeBytes: number;
  /** Where the content checksum is; undefined without one. */
  readonly checksumAt: number | undefined;
}

/** Decodes the first frame of `input`; what follows it is ignored, as Kafka does. */
export function lz4Decompress(input: Buffer, maxBytes: number): Buffer {
  const frame = measure(input, maxBytes);
  const output = Buffer.allocUnsafe(frame.sizeBytes);
  const copy = new BlockCopy(input, output);
  let at = frame.blocksAt;
  let to = 0;
  for (let word = input.readInt32LE(at); word !== 0; word = input.readInt32LE(at)) {
    const from = at + 4;
    at = from + (word & SIZE_MASK);
    if (word < 0) to += input.copy(output, to, from, at);
    else to = decodeBlock(copy, from, at, to);
    if (frame.hasBlockChecksums) at += 4;
  }
  if (frame.checksumAt !== undefined && xxh32(output) !== input.readUInt32LE(frame.checksumAt)) {
    throw corrupt('content checksum does not match');
  }
  return output;
}

/** Walks the frame without decoding: its blocks and what they yield together. */
function measure(input: Buffer, maxBytes: number): Frame {
  const need = (at: number, size: number): void => {
    if (at + size > input.length) throw corrupt(`ends at ${input.length}, ${size} more wanted at ${at}`);
  };
  need(0, 7);
  if (input.readUInt32LE(0) !== FRAME_MAGIC) throw corrupt('not a frame');
  const flags = input[4];
  if (flags >>> 6 !== 1) throw corrupt(`frame version ${flags >>> 6}`);
  const isIndependent = (flags & 0x20) !== 0;
  const hasBlockChecksums = (flags & 0x10) !== 0;
  const hasContentSize = (flags & 0x08) !== 0;
  const hasContentChecksum = (flags & 0x04) !== 0;
  if ((flags & 0x03) !== 0) throw corrupt('a dictionary is wanted, or a reserved bit is set');
  const sizeCode = input[5] >>> 4;
  if ((input[5] & 0x8f) !== 0 || sizeCode < 4) throw corrupt(`block size ${input[5]}`);
  const blockBytesMax = 1 << (8 + 2 * sizeCode);
  const headerEnd = 6 + (hasContentSize ? 8 : 0);
  need(headerEnd, 1);
  if (input[headerEnd] !== ((xxh32(input, 4, headerEnd) >>> 8) & 0xff)) {
    throw corrupt('header checksum does not match');
  }

  const blocksAt = headerEnd + 1;
  let sizeBytes = 0;
  let at = blocksAt;
  for (;;) {
    need(at, 4);
    const word = input.readInt32LE(at);
    at += 4;
    if (word === 0) break;
    const length = word & SIZE_MASK;
    if (length === 0 || length > blockBytesMax) throw corrupt(`block of ${length} bytes`);
    need(at, length + (hasBlockChecksums ? 4 : 0));
    const window = isIndependent ? 0 : Math.min(sizeBytes, LINKED_WINDOW_BYTES);
    const yields = word < 0 ? length : measureBlock(input, at, at + length, window);
    if (yields > blockBytesMax) throw corrupt(`block yields ${yields} bytes of at most ${blockBytesMax}`);
    sizeBytes += yields;
    if (sizeBytes > maxBytes) throw new CompressionError('too large', `lz4: more than ${maxBytes} bytes`);
    at += length;
    if (!hasBlockChecksums) continue;
    if (xxh32(input, at - length, at) !== input.readUInt32LE(at))
      throw corrupt('block checksum does not match');
    at += 4;
  }
  if (hasContentChecksum) need(at, 4);
  if (hasContentSize && input.readBigUInt64LE(6) !== BigInt(sizeBytes))
    throw corrupt('content size does not match');
  return { hasBlockChecksums, blocksAt, sizeBytes, checksumAt: hasContentChecksum ? at : undefined };
}

/** The bytes that a block yields; `window` bytes before it may be referred to. Checks everything `decodeBlock` trusts. */
function measureBlock(input: Buffer, from: number, end: number, window: number): number {
  let at = from;
  let produced = 0;
  for (;;) {
    if (at >= end) throw corrupt('block ends within a sequence');
    const token = input[at++];
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (at >= end) throw corrupt('block ends within a length');
        literals += more = input[at++];
      } while (more === 255);
    }
    at += literals;
    produced += literals;
    if (at > end) throw corrupt('literals beyond the block');
    if (at === end) return produced;
    if (at + 2 > end) throw corrupt('block ends within an offset');
    const offset = input[at] | (input[at + 1] << 8);
    at += 2;
    if (offset === 0 || offset > produced + window)
      throw corrupt(`match ${offset} bytes back at ${produced}`);
    let match = token & 15;
    if (match === 15) {
      let more: number;
      do {
        if (at >= end) throw corrupt('block ends within a length');
        match += more = input[at++];
      } while (more === 255);
    }
    produced += match + MATCH_BYTES_MIN;
  }
}

/** Decodes a measured block, the input from `from` up to `end`, to the output from `begin` on; yields where it ended. */
function decodeBlock(copy: BlockCopy, from: number, end: number, begin: number): number {
  const { input } = copy;
  let at = from;
  let to = begin;
  for (;;) {
    const token = input[at++];
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do literals += more = input[at++];
      while (more === 255);
    }
    copy.literal(at, to, literals);
    at += literals;
    to += literals;
    if (at === end) return to;
    const offset = input[at] | (input[at + 1] << 8);
    at += 2;
    let match = (token & 15) + MATCH_BYTES_MIN;
    if (match === 15 + MATCH_BYTES_MIN) {
      let more: number;
      do match += more = input[at++];
      while (more === 255);
    }
    copy.match(to, offset, match);
    to += match;
  }
}
