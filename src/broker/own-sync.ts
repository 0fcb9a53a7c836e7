/**
 * What acks=1 has answered is readable only a sync later with durability=fsync. A client that wrote so and asks for the log's
 * end next, or deletes up to it, expects what it wrote to be there, as on a Kafka that stands alone.
 */
import type { Partition } from '../replication/partition.ts';

/** Undefined, or resolves when this broker's own disk no longer holds the watermark up. Followers are not waited for. */
export function ownSync(partition: Partition): Promise<void> | undefined {
  const end = partition.unsyncedEnd;
  if (end === undefined) return undefined;
  return new Promise((resolve) => void partition.whenCommitted(end, () => resolve()));
}
