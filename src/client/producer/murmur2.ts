/** MurmurHash2 with Kafka's seed, as Java's partitioner has it: the same key goes to the same partition from any client. */

const SEED = 0x9747b28c | 0;
const M = 0x5bd1e995;
const R = 24;

/** The hash of the first `size` bytes, as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array, size = bytes.length): number {
  let hash = SEED ^ size;
  const whole = size & ~3;
  for (let at = 0; at < whole; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> R;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const rest = size & 3;
  if (rest === 3) hash ^= bytes[whole + 2]! << 16;
  if (rest >= 2) hash ^= bytes[whole + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ bytes[whole]!, M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

/** The partition of a key among `count`, as Java's clients have it. */
export function partitionOfKey(key: Uint8Array, size: number, count: number): number {
  return (murmur2(key, size) & 0x7fff_ffff) % count;
}
