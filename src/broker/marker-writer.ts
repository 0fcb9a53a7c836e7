/**
 * Writes transaction markers into partitions that this broker leads, for its own coordinator and for requests from
 * outside. In __consumer_offsets they go through the group coordinator, whose state they change.
 */
import type { Clock } from '../base/ports.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import { DiskError } from '../base/ports.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { OFFSETS_TOPIC } from '../metadata/topic-names.ts';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { Partition } from '../replication/partition.ts';
import type { Partitions } from '../replication/partitions.ts';
import type { MarkerWriter, TransactionEnd } from '../transactions/marker-sender.ts';
import type { TopicPartition } from '../transactions/transaction.ts';

export interface LocalMarkersOptions {
  readonly image: ClusterImage;
  readonly partitions: Partitions;
  readonly groups: Pick<GroupCoordinator, 'writeTxnMarker'>;
  readonly clock: Clock;
}

export class LocalMarkers implements MarkerWriter {
  readonly #options: LocalMarkersOptions;

  constructor(options: LocalMarkersOptions) {
    this.#options = options;
  }

  async write(at: TopicPartition, end: TransactionEnd): Promise<ErrorCode> {
    const { image, partitions, groups } = this.#options;
    if (image.topics.get(at.topic)?.partitions[at.partition] === undefined) {
      return Errors.UNKNOWN_TOPIC_OR_PARTITION;
    }
    const partition = partitions.get(at.topic, at.partition);
    if (partition === undefined) return Errors.NOT_LEADER_OR_FOLLOWER;
    const isOffsets = at.topic === OFFSETS_TOPIC;
    const errorCode = isOffsets
      ? await groups.writeTxnMarker(at.partition, end)
      : await this.#append(partition, end);
    if (errorCode !== Errors.INVALID_PRODUCER_EPOCH) return errorCode;
    // What is there instead counts once it is committed.
    const isCommitted = await committed(partition, partition.logEndOffset);
    return isCommitted ? errorCode : Errors.NOT_LEADER_OR_FOLLOWER;
  }

  async #append(partition: Partition, end: TransactionEnd): Promise<ErrorCode> {
    const nowMs = this.#options.clock.nowMs();
    const { transactionVersion, ...marker } = end;
    const batch = buildEndTransactionMarker({
      producerId: marker.producerId,
      producerEpoch: marker.producerEpoch,
      coordinatorEpoch: marker.coordinatorEpoch,
      isCommit: marker.isCommit,
      timestamp: nowMs,
    });
    let offset: number;
    try {
      const result = partition.append(batch, { acks: -1, origin: 'marker', nowMs, transactionVersion });
      if (result.errorCode !== Errors.NONE) return result.errorCode as ErrorCode;
      offset = result.lastOffset + 1;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return Errors.KAFKA_STORAGE_ERROR;
    }
    if (!(await committed(partition, offset))) return Errors.NOT_LEADER_OR_FOLLOWER;
    return partition.checkCommitted();
  }
}

/** Whether everything before the offset has become committed under this leader. */
function committed(partition: Partition, offset: number): Promise<boolean> {
  return new Promise((resolve) => {
    partition.whenCommitted(offset, (outcome) => resolve(outcome === 'committed'));
  });
}
