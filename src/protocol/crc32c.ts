/**
 * CRC-32C (Castagnoli), the checksum of record batches. The native implementation of the optional package
 * `@node-rs/crc32` is about four times faster than the one written here; which of the two is used is settled once, when
 * this file is loaded, and a native one that fails its self-test is not used.
 */
import { createRequire } from 'node:module';

type Checksum = (bytes: Uint8Array) => number;

/** Eight tables: `TABLES[256 * k + b]` is the checksum of byte `b` followed by `k` zero bytes, before inversion. */
const TABLES = new Uint32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  TABLES[byte] = crc;
}
for (let at = 256; at < TABLES.length; at++) {
  const before = TABLES[at - 256];
  TABLES[at] = (before >>> 8) ^ TABLES[before & 0xff];
}

/** CRC-32C in JavaScript, eight bytes a step. Exported for its test and for the bench. */
export function crc32cPortable(bytes: Uint8Array): number {
  const t = TABLES;
  const end = bytes.length;
  let crc = -1;
  let at = 0;
  for (const last = end - 8; at <= last; at += 8) {
    const low = crc ^ (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    crc =
      t[1792 + (low & 0xff)] ^
      t[1536 + ((low >>> 8) & 0xff)] ^
      t[1280 + ((low >>> 16) & 0xff)] ^
      t[1024 + (low >>> 24)] ^
      t[768 + bytes[at + 4]] ^
      t[512 + bytes[at + 5]] ^
      t[256 + bytes[at + 6]] ^
      t[bytes[at + 7]];
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]) & 0xff];
  return ~crc >>> 0;
}

/** The check value that the CRC catalogue gives, and one longer than a step of any implementation. */
function isCorrect(checksum: Checksum): boolean {
  const long = Buffer.alloc(1031, 'headrace');
  return checksum(Buffer.from('123456789')) === 0xe3069283 && checksum(long) === crc32cPortable(long);
}

function choose(): Checksum {
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Checksum };
    if (isCorrect(native.crc32c)) return native.crc32c;
  } catch {
    // The package is optional: absent on platforms that it does not serve.
  }
  return crc32cPortable;
}

const checksumOf = choose();

/** The CRC-32C of `buffer` from `from` up to (not including) `to`, as an unsigned 32-bit number. */
export function crc32c(buffer: Uint8Array, from = 0, to = buffer.length): number {
  return checksumOf(from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to));
}
