/**
 * Which brokers get the replicas of new partitions: in turn, so that leaders and followers spread evenly, and over racks
 * as far as there are any. Brokers that are fenced, about to stop or without a log directory come last and never lead.
 */
import type { Random } from '../base/ports.ts';
import type { BrokerImage } from './image.ts';

export interface PlacementRequest {
  readonly partitionCount: number;
  readonly replicationFactor: number;
}

/** Replicas of each partition, the leader first; or why it cannot be done, in Kafka's words. */
export function placeReplicas(
  brokers: Iterable<BrokerImage>,
  request: PlacementRequest,
  random: Random,
): number[][] | string {
  const all = [...brokers].sort((a, b) => a.id - b.id);
  const { partitionCount, replicationFactor } = request;
  const alive = acrossRacks(all.filter(isThere));
  if (alive.length === 0) return 'All brokers are currently fenced.';
  if (replicationFactor > all.length) {
    return (
      `The target replication factor of ${replicationFactor} cannot be reached because only ${all.length} ` +
      'broker(s) are registered or some brokers have all their log directories cordoned.'
    );
  }
  const away = acrossRacks(all.filter((broker) => !isThere(broker)));
  const start = random.integer(alive.length);
  const placed: number[][] = [];
  for (let n = 0; n < partitionCount; n++) {
    // After each full turn the followers begin one further, so that the same brokers do not always go together.
    const shift = Math.floor(n / alive.length);
    const [leader, ...others] = rotated(alive, start + n);
    const candidates = [leader, ...rotated(others, shift), ...rotated(away, n)];
    placed.push(spread(candidates, replicationFactor));
  }
  return placed;
}

/** Only such a broker begins in sync: a partition that has none of them would never be led. */
function isThere({ fenced, isStopping, directories }: BrokerImage): boolean {
  return !fenced && !isStopping && directories.length > 0;
}

/** The first `count` brokers in order, taking each rack once before any rack twice. */
function spread(candidates: readonly BrokerImage[], count: number): number[] {
  const chosen: number[] = [];
  let rest = candidates;
  while (chosen.length < count) {
    const racks = new Set<string | null>();
    const skipped: BrokerImage[] = [];
    for (const broker of rest) {
      if (chosen.length === count || racks.has(broker.rack)) skipped.push(broker);
      else chosen.push(broker.id);
      // Brokers that name no rack are all in different ones.
      if (broker.rack !== null) racks.add(broker.rack);
    }
    rest = skipped;
  }
  return chosen;
}

function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, n) => list[(n + by) % list.length]);
}

/** The brokers in an order in which neighbours are in different racks as far as possible. */
function acrossRacks(brokers: readonly BrokerImage[]): BrokerImage[] {
  const racks = new Map<string | null, BrokerImage[]>();
  for (const broker of brokers) {
    const rack = racks.get(broker.rack) ?? [];
    rack.push(broker);
    racks.set(broker.rack, rack);
  }
  const order: BrokerImage[] = [];
  for (let n = 0; order.length < brokers.length; n++) {
    for (const rack of racks.values()) if (n < rack.length) order.push(rack[n]);
  }
  return order;
}
