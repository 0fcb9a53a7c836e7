/** Whether this broker, which others may have taken for dead, leads a partition all the same. */
import type { Partition } from '../replication/partition.ts';
import type { Services } from './services.ts';

/** Followers that are alive fetch at least every half second. Less than clients wait for an answer. */
const PROOF_MS_MAX = 5_000;

/** False: another one leads, or may lead. At once while this broker's registration stands. */
export function stillLeads(partition: Partition, services: Services): boolean | Promise<boolean> {
  if (!services.mayBeFenced()) return true;
  const { image, deadlines } = services;
  const eligible = image.topics.get(partition.topic)?.partitions[partition.partition]?.elr ?? [];
  return new Promise((resolve) => {
    const deadline = deadlines.after(PROOF_MS_MAX, () => {
      forget();
      resolve(false);
    });
    const forget = partition.whenProven(eligible, (outcome) => {
      deadline.cancel();
      resolve(outcome === 'leads');
    });
  });
}
