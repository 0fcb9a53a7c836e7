/** DeleteRecords: moves the start of partitions forward (KIP-107). */
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import { DiskError } from '../../base/ports.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import { mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

const UNKNOWN = -1;

export const deleteRecords = handler(
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  (request, context, services) => ({
    throttleTimeMs: 0,
    topics: request.topics.map(({ name, partitions }) => {
      const refused = refusal(name, context, services);
      return {
        name,
        partitions: partitions.map(({ partitionIndex, offset }) => ({
          partitionIndex,
          ...(refused === Errors.NONE
            ? deleteBefore(name, partitionIndex, offset, services)
            : { errorCode: refused, lowWatermark: UNKNOWN }),
        })),
      };
    }),
  }),
);

function refusal(topic: string, context: RequestContext, services: Services): ErrorCode {
  if (!mayTopic(services, context, 'DELETE', topic)) return Errors.TOPIC_AUTHORIZATION_FAILED;
  const image = services.image.topics.get(topic);
  if (image === undefined) return Errors.UNKNOWN_TOPIC_OR_PARTITION;
  return image.isInternal ? Errors.INVALID_TOPIC_EXCEPTION : Errors.NONE;
}

function deleteBefore(
  topic: string,
  index: number,
  offset: number,
  services: Services,
): { errorCode: ErrorCode; lowWatermark: number } {
  const partition = services.partitions.get(topic, index);
  if (partition === undefined) {
    const exists = services.image.topics.get(topic)?.partitions[index] !== undefined;
    const errorCode = exists ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION;
    return { errorCode, lowWatermark: UNKNOWN };
  }
  try {
    return partition.deleteRecords(offset);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return { errorCode: Errors.KAFKA_STORAGE_ERROR, lowWatermark: UNKNOWN };
  }
}
