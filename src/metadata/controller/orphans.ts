/** Removes what deleted topics left behind, a bounded number of keys at a time. */
import type { ClusterImage } from '../image.ts';
import { partitionKey } from '../keys.ts';
import { Change, type Decision } from '../outcome.ts';

/** The result says whether more remains. */
export function deleteOrphans(image: ClusterImage, keysMax: number): Decision<boolean> {
  const change = new Change();
  for (const topicId of image.orphanedTopicIds()) {
    for (const partition of image.changedPartitions(topicId)) {
      if (change.operations.length === keysMax) return change.decide(true);
      const key = partitionKey(topicId, partition);
      change.delete(key, image.keyRevisions(key).modRevision);
    }
  }
  return change.decide(false);
}
