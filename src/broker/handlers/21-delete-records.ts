/** DeleteRecords: moves the start of partitions forward, on all replicas (KIP-107). */
import { DeleteRecordsRequest, DeleteRecordsResponse } from '../../protocol/messages/21-delete-records.ts';
import { DiskError } from '../../base/ports.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import { mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import { ownSync } from '../own-sync.ts';
import type { Partition } from '../../replication/partition.ts';
import type { Services } from '../services.ts';

const UNKNOWN = -1;
/** As the offset of a request: everything that is committed. */
const HIGH_WATERMARK = -1;

export const deleteRecords = handler(
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  async (request, context, services) => ({
    throttleTimeMs: 0,
    topics: await Promise.all(
      request.topics.map(async ({ name, partitions }) => {
        const refused = refusal(name, context, services);
        const all = partitions.map(async ({ partitionIndex, offset }) => {
          if (refused !== Errors.NONE) {
            return { partitionIndex, errorCode: refused, lowWatermark: UNKNOWN };
          }
          const { timeoutMs } = request;
          return {
            partitionIndex,
            ...(await deleteBefore({ name, partitionIndex, offset, timeoutMs }, services)),
          };
        });
        return { name, partitions: await Promise.all(all) };
      }),
    ),
  }),
);

function refusal(topic: string, context: RequestContext, services: Services): ErrorCode {
  if (!mayTopic(services, context, 'DELETE', topic)) return Errors.TOPIC_AUTHORIZATION_FAILED;
  const image = services.image.topics.get(topic);
  if (image === undefined) return Errors.UNKNOWN_TOPIC_OR_PARTITION;
  return image.isInternal ? Errors.INVALID_TOPIC_EXCEPTION : Errors.NONE;
}

interface Deletion {
  readonly name: string;
  readonly partitionIndex: number;
  readonly offset: number;
  readonly timeoutMs: number;
}

interface Deleted {
  readonly errorCode: ErrorCode;
  readonly lowWatermark: number;
}

/** Answers when the replicas that are alive have deleted as well, or the time is over: REQUEST_TIMED_OUT. */
async function deleteBefore(deletion: Deletion, services: Services): Promise<Deleted> {
  const { name, partitionIndex, offset } = deletion;
  const partition = services.partitions.get(name, partitionIndex);
  if (partition === undefined) {
    const exists = services.image.topics.get(name)?.partitions[partitionIndex] !== undefined;
    const errorCode = exists ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION;
    return { errorCode, lowWatermark: UNKNOWN };
  }
  if (offset === HIGH_WATERMARK || offset > partition.highWatermark) await ownSync(partition);
  const before = offset === HIGH_WATERMARK ? partition.highWatermark : offset;
  let deleted: Deleted;
  try {
    deleted = partition.deleteRecords(before);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return { errorCode: Errors.KAFKA_STORAGE_ERROR, lowWatermark: UNKNOWN };
  }
  return deleted.errorCode === Errors.NONE
    ? whenEverywhere(partition, { before, timeoutMs: deletion.timeoutMs }, services)
    : deleted;
}

function whenEverywhere(
  partition: Partition,
  { before, timeoutMs }: { readonly before: number; readonly timeoutMs: number },
  { image, deadlines }: Services,
): Promise<Deleted> {
  const isAlive = (nodeId: number): boolean => image.brokers.get(nodeId)?.fenced === false;
  return new Promise((resolve) => {
    const deadline = deadlines.after(timeoutMs, () => {
      forget();
      resolve({ errorCode: Errors.REQUEST_TIMED_OUT, lowWatermark: partition.lowWatermark(isAlive) });
    });
    const forget = partition.whenLowWatermark(before, isAlive, (outcome) => {
      deadline.cancel();
      const isLost = outcome === 'lost';
      resolve({
        errorCode: isLost ? partition.check(-1) : Errors.NONE,
        lowWatermark: isLost ? UNKNOWN : partition.lowWatermark(isAlive),
      });
    });
  });
}
