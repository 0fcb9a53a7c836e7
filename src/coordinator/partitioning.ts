/** Which partition of an internal topic is responsible for a key: a pure function that all brokers and Kafka share. */

/** Java's String.hashCode: a signed 32-bit number over UTF-16 code units. */
export function javaHashCode(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The partition of a group, transactional id or share partition key; Kafka's abs maps the least integer to 0. */
export function partitionForKey(key: string, partitionCount: number): number {
  const hash = javaHashCode(key);
  return (hash === -2147483648 ? 0 : Math.abs(hash)) % partitionCount;
}
