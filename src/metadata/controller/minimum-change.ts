/**
 * Eligible leader replicas hold everything that was committed under one minimum of in-sync replicas. With another minimum a
 * leader commits without them, so the sets are emptied before it changes (KIP-966). Where nobody is in sync nothing is
 * committed, and the sets stay: they are all that is left.
 */
import type { ClusterImage } from '../image.ts';
import { Change, type Decision } from '../outcome.ts';
import type { AlterConfigs } from './configs.ts';
import type { ElectionRequest } from './elections.ts';
import { putPartition } from './partition-change.ts';

const MINIMUM = 'min.insync.replicas';

/** Partitions with eligible replicas that these changes would make something else of. */
export function eligibleByMinimum(
  image: ClusterImage,
  resources: readonly AlterConfigs[],
): ElectionRequest[] {
  const topics = new Set<string>();
  for (const resource of resources) {
    if (!concernsMinimum(image, resource)) continue;
    if (resource.type === 'TOPIC') topics.add(resource.name);
    else if (resource.type === 'BROKER') for (const name of image.topics.keys()) topics.add(name);
  }
  const found: ElectionRequest[] = [];
  for (const name of topics) {
    for (const { partition, isr, elr } of image.topics.get(name)?.partitions ?? []) {
      if (isr.length > 0 && elr.length > 0) found.push({ topic: name, partition });
    }
  }
  return found;
}

function concernsMinimum(image: ClusterImage, resource: AlterConfigs): boolean {
  if ('changes' in resource) return resource.changes.some(({ name }) => name === MINIMUM);
  const current = image.configs(resource.type, resource.name).get(MINIMUM);
  return resource.replacement.find(({ name }) => name === MINIMUM)?.value !== current;
}

/** One operation a partition. */
export function endEligibility(image: ClusterImage, partitions: readonly ElectionRequest[]): Decision<void> {
  const change = new Change();
  for (const { topic: name, partition: n } of partitions) {
    const topic = image.topics.get(name);
    const partition = topic?.partitions[n];
    if (topic === undefined || partition === undefined) continue;
    if (partition.isr.length > 0 && partition.elr.length > 0) {
      putPartition(change, image, topic, partition, { elr: [], lastKnownElr: [] });
    }
  }
  return change.decide(undefined);
}
