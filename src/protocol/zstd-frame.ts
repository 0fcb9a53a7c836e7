/**
 * The outside of a zstd frame, of which this much is read (RFC 8878, 3.1.1):
 *
 *     size  field
 *        4  magic
 *        1  descriptor: bits 6-7 size of the content size, 5 single segment, 2 checksum, 0-1 size of the dictionary's id
 *      0-13 window, dictionary id and content size, each where the descriptor says so
 *        3  for each block: bit 0 last, bits 1-2 type, the rest its size; then the block, one byte where it is a run
 *        4  checksum, where the descriptor says so
 */
const MAGIC = 0xfd2fb528;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const BLOCK_HEADER_BYTES = 3;
const RUN = 1;
const RESERVED = 3;

/** Whether `input` is one frame from its first byte to its last, as far as its outside tells. */
export function isOneZstdFrame(input: Buffer): boolean {
  const size = input.length;
  if (size < 5 || input.readUInt32LE(0) !== MAGIC) return false;
  const descriptor = input[4];
  const isSingleSegment = (descriptor & 0x20) !== 0;
  let at = 5 + DICTIONARY_ID_BYTES[descriptor & 3] + CONTENT_SIZE_BYTES[descriptor >>> 6];
  // A window, or a content size of one byte: of the first there is none in a single segment, and then the other is there.
  if (!isSingleSegment || descriptor >>> 6 === 0) at += 1;
  for (;;) {
    if (at + BLOCK_HEADER_BYTES > size) return false;
    const header = input.readUIntLE(at, BLOCK_HEADER_BYTES);
    const type = (header >>> 1) & 3;
    if (type === RESERVED) return false;
    at += BLOCK_HEADER_BYTES + (type === RUN ? 1 : header >>> 3);
    if ((header & 1) !== 0) break;
  }
  return at + ((descriptor & 0x04) === 0 ? 0 : 4) === size;
}
