/**
 * Decoding of the LZ4 frame format as Kafka clients write it: with or without content size and checksums, with
 * independent or linked blocks, stored or compressed. Where there is memory already (`lz4DecompressInto`) one pass decodes
 * and checks. Where there is none, a pass before that measures what the blocks will yield and checks each reference, so
 * that nothing is allocated before its true size is known to be within the limit; it is also the one that says what is
 * wrong. Layout: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
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

/** A sequence of at most this many literals and bytes repeated says so in its first byte. */
const SHORT_LITERALS_MAX = 14;
const SHORT_MATCH_BYTES_MAX = 18;
/** Before the end of a block a short sequence is followed by another, and may be read in steps of eight. */
const SHORT_INPUT_BYTES = 1 + 2 * 8;
/** What a short sequence may touch of the output, in steps of eight. */
const SHORT_OUTPUT_BYTES = SHORT_LITERALS_MAX + 3 * 8;

interface FrameHeader {
  readonly isIndependent: boolean;
  readonly hasBlockChecksums: boolean;
  readonly hasContentSize: boolean;
  readonly hasContentChecksum: boolean;
  readonly blockBytesMax: number;
  /** Where the first block's size is. */
  readonly blocksAt: number;
}

/** Decodes the first frame of `input`; what follows it is ignored, as Kafka does. */
export function lz4Decompress(input: Buffer, maxBytes: number): Buffer {
  const header = readHeader(input);
  const output = Buffer.allocUnsafe(measure(input, header, maxBytes));
  // All else was found by measuring.
  if (decode(input, header, output) !== output.length) throw corrupt('content checksum does not match');
  return output;
}

/**
 * Decodes the first frame of `input` to the beginning of `output`, and yields the bytes that it took; -1 when the frame is
 * larger than `output`, or damaged: `lz4Decompress` knows which. What lies behind them in `output` may change as well.
 */
export function lz4DecompressInto(input: Buffer, output: Buffer): number {
  return decode(input, readHeader(input), output);
}

function readHeader(input: Buffer): FrameHeader {
  need(input, 0, 7);
  if (input.readUInt32LE(0) !== FRAME_MAGIC) throw corrupt('not a frame');
  const flags = input[4];
  if (flags >>> 6 !== 1) throw corrupt(`frame version ${flags >>> 6}`);
  const hasContentSize = (flags & 0x08) !== 0;
  if ((flags & 0x03) !== 0) throw corrupt('a dictionary is wanted, or a reserved bit is set');
  const sizeCode = input[5] >>> 4;
  if ((input[5] & 0x8f) !== 0 || sizeCode < 4) throw corrupt(`block size ${input[5]}`);
  const headerEnd = 6 + (hasContentSize ? 8 : 0);
  need(input, headerEnd, 1);
  if (input[headerEnd] !== ((xxh32(input, 4, headerEnd) >>> 8) & 0xff)) {
    throw corrupt('header checksum does not match');
  }
  return {
    isIndependent: (flags & 0x20) !== 0,
    hasBlockChecksums: (flags & 0x10) !== 0,
    hasContentSize,
    hasContentChecksum: (flags & 0x04) !== 0,
    blockBytesMax: 1 << (8 + 2 * sizeCode),
    blocksAt: headerEnd + 1,
  };
}

function need(input: Buffer, at: number, size: number): void {
  if (at + size > input.length) throw corrupt(`ends at ${input.length}, ${size} more wanted at ${at}`);
}

/** Walks the blocks without decoding: what they yield together. */
function measure(input: Buffer, header: FrameHeader, maxBytes: number): number {
  const { isIndependent, hasBlockChecksums, blockBytesMax } = header;
  let sizeBytes = 0;
  let at = header.blocksAt;
  for (;;) {
    need(input, at, 4);
    const word = input.readInt32LE(at);
    at += 4;
    if (word === 0) break;
    const length = word & SIZE_MASK;
    if (length === 0 || length > blockBytesMax) throw corrupt(`block of ${length} bytes`);
    need(input, at, length + (hasBlockChecksums ? 4 : 0));
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
  if (header.hasContentChecksum) need(input, at, 4);
  if (header.hasContentSize && input.readBigUInt64LE(6) !== BigInt(sizeBytes))
    throw corrupt('content size does not match');
  return sizeBytes;
}

/** The bytes that a block yields; `window` bytes before it may be referred to. Finds whatever `decodeBlock` refuses. */
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

/** Decodes the blocks to the beginning of `output`: the bytes that they yield, or -1 where anything is wrong or no room. */
function decode(input: Buffer, header: FrameHeader, output: Buffer): number {
  const { hasBlockChecksums, blockBytesMax } = header;
  const copy = new BlockCopy(input, output);
  let at = header.blocksAt;
  let to = 0;
  for (;;) {
    if (at + 4 > input.length) return -1;
    const word = copy.source.getInt32(at, true);
    const from = at + 4;
    at = from;
    if (word === 0) break;
    const length = word & SIZE_MASK;
    at += length;
    if (length === 0 || length > blockBytesMax || at + (hasBlockChecksums ? 4 : 0) > input.length) return -1;
    const stop = Math.min(output.length, to + blockBytesMax);
    if (word > 0) {
      to = decodeBlock(copy, { from, end: at, begin: to, stop, since: header.isIndependent ? to : 0 });
      if (to < 0) return -1;
    } else {
      if (length > stop - to) return -1;
      copy.literal(from, to, length);
      to += length;
    }
    if (!hasBlockChecksums) continue;
    if (xxh32(input, from, at) !== input.readUInt32LE(at)) return -1;
    at += 4;
  }
  if (header.hasContentSize && input.readBigUInt64LE(6) !== BigInt(to)) return -1;
  if (header.hasContentChecksum) {
    if (at + 4 > input.length || xxh32(output, 0, to) !== input.readUInt32LE(at)) return -1;
  }
  return to;
}

interface Block {
  /** In the input. */
  readonly from: number;
  readonly end: number;
  /** In the output: where it goes, where it must end at the latest, and what it may refer to. */
  readonly begin: number;
  readonly stop: number;
  readonly since: number;
}

/**
 * Decodes a block; yields where in the output it ended, or -1. Most sequences are short, and lie where a few bytes too many
 * can be read and written: they are done with one check of the room that they take at most, and without a loop.
 */
function decodeBlock(copy: BlockCopy, { from, end, begin, stop, since }: Block): number {
  const { input, source, target } = copy;
  const inputSafe = end - SHORT_INPUT_BYTES - 2;
  const outputSafe = stop - SHORT_OUTPUT_BYTES;
  let at = from;
  let to = begin;
  for (;;) {
    if (at <= inputSafe && to <= outputSafe) {
      const token = source.getUint8(at);
      const literals = token >>> 4;
      const match = (token & 15) + MATCH_BYTES_MIN;
      if (literals <= SHORT_LITERALS_MAX && match <= SHORT_MATCH_BYTES_MAX) {
        const offset = source.getUint16(at + 1 + literals, true);
        const refers = to + literals - offset;
        if (offset >= 8 && refers >= since) {
          target.setBigInt64(to, source.getBigInt64(at + 1, true), true);
          if (literals > 8) target.setBigInt64(to + 8, source.getBigInt64(at + 9, true), true);
          at += literals + 3;
          to += literals;
          target.setBigInt64(to, target.getBigInt64(refers, true), true);
          if (match > 8) {
            target.setBigInt64(to + 8, target.getBigInt64(refers + 8, true), true);
            if (match > 16) target.setBigInt64(to + 16, target.getBigInt64(refers + 16, true), true);
          }
          to += match;
          continue;
        }
      }
    }
    if (at >= end) return -1;
    const token = input[at++];
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (at >= end) return -1;
        literals += more = input[at++];
      } while (more === 255);
    }
    if (literals > end - at || literals > stop - to) return -1;
    copy.literal(at, to, literals);
    at += literals;
    to += literals;
    if (at === end) return to;
    if (at + 2 > end) return -1;
    const offset = input[at] | (input[at + 1] << 8);
    at += 2;
    let match = token & 15;
    if (match === 15) {
      let more: number;
      do {
        if (at >= end) return -1;
        match += more = input[at++];
      } while (more === 255);
    }
    match += MATCH_BYTES_MIN;
    if (offset === 0 || offset > to - since || match > stop - to) return -1;
    copy.match(to, offset, match);
    to += match;
  }
}
