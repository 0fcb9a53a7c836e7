/** Names that a request repeats: Kafka refuses each of them once. */

/** How often each name occurs, in the order of first occurrence. */
export function countNames(names: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
