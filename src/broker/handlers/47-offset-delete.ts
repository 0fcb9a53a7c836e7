/** OffsetDelete: a group forgets offsets of topics it does not subscribe to (KIP-496). */
import { deleteOffsetsRefused } from '../../groups/offsets/commit.ts';
import { Errors } from '../../protocol/errors.ts';
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../protocol/messages/47-offset-delete.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';
import { readablePartitions } from '../readable-partitions.ts';

export const offsetDelete = handler(
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  async (request, context, services) => {
    if (!authorize(services, context, { operation: 'DELETE', resource: 'GROUP', name: request.groupId })) {
      return deleteOffsetsRefused(Errors.GROUP_AUTHORIZATION_FAILED);
    }
    const checked = request.topics.map((topic) => readablePartitions(topic, context, services));
    const known = checked.filter(({ partitions }) => partitions.length > 0);
    const deleted = await services.groups.deleteOffsets({ groupId: request.groupId, topics: known });
    if (deleted.errorCode !== Errors.NONE) return deleted;
    const codes = new Map(
      deleted.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, errorCode }) => [`${name}/${partitionIndex}`, errorCode] as const),
      ),
    );
    const answers = request.topics.map(({ name, partitions }, i) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode:
          checked[i].refusal || (codes.get(`${name}/${partitionIndex}`) ?? Errors.UNKNOWN_TOPIC_OR_PARTITION),
      })),
    }));
    const topics = answers.filter(({ partitions }) => partitions.length > 0);
    return { throttleTimeMs: 0, errorCode: Errors.NONE, topics };
  },
);
