/** xxHash32 with seed 0: the checksum inside LZ4 frames. https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */

const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
const round = (sum: number, input: number): number =>
  Math.imul(rotate((sum + Math.imul(input, P2)) | 0, 13), P1);

/** The hash of `bytes` from `from` up to (not including) `to`, as an unsigned 32-bit number. */
export function xxh32(bytes: Uint8Array, from = 0, to = bytes.length): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = to - from;
  let at = from;
  let hash = P5;
  if (size >= 16) {
    let a = (P1 + P2) | 0;
    let b = P2 | 0;
    let c = 0;
    let d = -P1 | 0;
    for (const last = to - 16; at <= last; at += 16) {
      a = round(a, words.getInt32(at, true));
      b = round(b, words.getInt32(at + 4, true));
      c = round(c, words.getInt32(at + 8, true));
      d = round(d, words.getInt32(at + 12, true));
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  }
  hash = (hash + size) | 0;
  for (; at + 4 <= to; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(words.getInt32(at, true), P3)) | 0, 17), P4);
  }
  for (; at < to; at++) hash = Math.imul(rotate((hash + Math.imul(bytes[at], P5)) | 0, 11), P1);
  hash = Math.imul(hash ^ (hash >>> 15), P2);
  hash = Math.imul(hash ^ (hash >>> 13), P3);
  return (hash ^ (hash >>> 16)) >>> 0;
}
