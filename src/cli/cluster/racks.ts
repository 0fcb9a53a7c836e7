/** How well the replicas of a partition are spread over racks. A broker that names no rack is in one of its own. */

/** Pairs of replicas that share a rack: 0 is best. */
export function rackPairs(replicas: readonly number[], rackOf: (brokerId: number) => string | null): number {
  const counts = new Map<string, number>();
  let pairs = 0;
  for (const id of replicas) {
    const rack = rackOf(id);
    if (rack === null) continue;
    const count = counts.get(rack) ?? 0;
    pairs += count;
    counts.set(rack, count + 1);
  }
  return pairs;
}
