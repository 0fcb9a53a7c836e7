/**
 * A broker takes itself out of its partitions before it registers: what it led is led by others or by nobody, and where its
 * records may be gone it is not eligible either (KIP-966). Only then can it be elected, by its new registration, for what
 * it has. If it fails half-way the next attempt goes on from there.
 *
 * Nobody is elected here who may lack records, unlike in Kafka, where one step takes the last eligible replica away and
 * makes the last known leader lead: whether others are alive this broker knows less well than the controller, and only the
 * controller tells of such elections.
 */
import type { ClusterImage, PartitionImage } from '../image.ts';
import { brokerKey, configsKey, topicKey } from '../keys.ts';
import { Change, type Decision } from '../outcome.ts';
import type { ElectionRequest } from './elections.ts';
import type { LeadershipRules } from './leadership-rules.ts';
import { settled, type Circumstances } from './leadership.ts';
import { putPartition } from './partition-change.ts';

interface Departure {
  readonly rules: LeadershipRules;
  /** Whether records of this partition may be gone that others count on. */
  readonly hasLost: (topic: string, partition: number) => boolean;
}

/** What is left to be done for a broker that is not registered. */
export function departing(image: ClusterImage, nodeId: number, departure: Departure): ElectionRequest[] {
  const found: ElectionRequest[] = [];
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      if (!isInvolved(partition, nodeId)) continue;
      if (
        settled(image, partition, circumstances(topic.name, partition, { nodeId, ...departure })) ===
        undefined
      )
        continue;
      found.push({ topic: topic.name, partition: partition.partition });
    }
  }
  return found;
}

/** One operation a partition. It is not the controller who decides, so nobody else may have decided meanwhile. */
export function depart(
  image: ClusterImage,
  options: Departure & { readonly nodeId: number; readonly partitions: readonly ElectionRequest[] },
): Decision<void> {
  const { nodeId, partitions } = options;
  const change = new Change();
  const expected = new Set<string>();
  const expect = (key: string): void => {
    if (!expected.has(key)) change.expect(key, image.keyRevisions(key).modRevision);
    expected.add(key);
  };
  for (const { topic: name, partition: n } of partitions) {
    const topic = image.topics.get(name);
    const partition = topic?.partitions[n];
    if (topic === undefined || partition === undefined) continue;
    const update = settled(image, partition, circumstances(name, partition, options));
    if (update === undefined) continue;
    // Alive, deleted or with another minimum: then something else is right.
    for (const key of [brokerKey(nodeId), configsKey('BROKER', ''), configsKey('TOPIC', name)]) expect(key);
    expect(topicKey(name));
    putPartition(change, image, topic, partition, update);
  }
  return change.decide(undefined);
}

function isInvolved({ leader, isr, elr }: PartitionImage, nodeId: number): boolean {
  return leader === nodeId || isr.includes(nodeId) || elr.includes(nodeId);
}

function circumstances(
  topic: string,
  { partition }: PartitionImage,
  { nodeId, rules, hasLost }: Departure & { readonly nodeId: number },
): Circumstances {
  return { topic, rules, mustBeClean: true, ...(hasLost(topic, partition) ? { lostBroker: nodeId } : {}) };
}
