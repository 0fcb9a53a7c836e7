/** Blocks of producer ids: a broker takes a thousand at a time, so that no id is ever given out twice. */
import type { ClusterImage } from '../image.ts';
import { PRODUCER_IDS_KEY } from '../keys.ts';
import { Change, type Decision } from '../outcome.ts';
import { encodeRecord, ProducerIdsRecord } from '../records.ts';

/** As in Kafka. Ids that a broker has not used when it stops are lost, which is no loss among 2^53. */
export const PRODUCER_ID_BLOCK_SIZE = 1_000;

export interface ProducerIdBlock {
  readonly first: number;
  readonly count: number;
}

export function allocateProducerIds(image: ClusterImage): Decision<ProducerIdBlock> {
  const first = image.nextProducerId;
  const change = new Change();
  const value = encodeRecord(ProducerIdsRecord, { nextProducerId: first + PRODUCER_ID_BLOCK_SIZE });
  change.put(PRODUCER_IDS_KEY, image.keyRevisions(PRODUCER_IDS_KEY).modRevision, value);
  return change.decide({ first, count: PRODUCER_ID_BLOCK_SIZE });
}
