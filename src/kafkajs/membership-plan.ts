/** What a KafkaJS consumer is told at its making and by `subscribe`, in the words of headrace/client. */
import type { ConsumerOptions } from '../client/consumer/consumer.ts';
import type { ClientCore } from '../client/core.ts';
import { assignorOf, PartitionAssigners } from './assigners.ts';
import { partitionMetadataOf } from './messages.ts';
import type { Cluster, ConsumerConfig, Logger, PartitionMetadata } from './types.ts';

export interface MembershipPlan {
  readonly groupId: string;
  readonly config: ConsumerConfig;
  readonly sessionTimeoutMs: number;
  /** By topic: whether to begin with the oldest record where the group has committed nothing. */
  readonly topics: ReadonlyMap<string, boolean>;
  readonly logger: Logger;
}

const REBALANCE_TIMEOUT_MS = 60_000;
const HEARTBEAT_INTERVAL_MS = 3_000;
/** An answer of headrace/client's takes a quarter of its memory at most. */
const ANSWERS_BUFFERED = 4;

export function membershipOptions(plan: MembershipPlan, core: ClientCore): ConsumerOptions {
  const { config, groupId, logger } = plan;
  const { partitionAssigners = [PartitionAssigners.roundRobin] } = config;
  const seen = new SeenTopics(core);
  const assigners = partitionAssigners.map((create) => create({ cluster: seen, groupId, logger }));
  const { maxBytes, maxWaitTimeInMs, minBytes, maxBytesPerPartition } = config;
  return {
    group: groupId,
    topics: [...plan.topics.keys()],
    assignors: assigners.map((one) => assignorOf(one, (topics) => seen.refresh(topics))),
    // Who wants all records would rather have them again than miss what came after a log was cut.
    onOutOfRange: [...plan.topics.values()].every(Boolean) ? 'earliest' : 'nearest',
    isolation: config.readUncommitted === true ? 'uncommitted' : 'committed',
    sessionTimeoutMs: plan.sessionTimeoutMs,
    heartbeatIntervalMs: config.heartbeatInterval ?? HEARTBEAT_INTERVAL_MS,
    pollIntervalMsMax: config.rebalanceTimeout ?? REBALANCE_TIMEOUT_MS,
    ...(minBytes === undefined ? {} : { minBytes }),
    ...(maxBytesPerPartition === undefined ? {} : { partitionBytesMax: maxBytesPerPartition }),
    ...(maxWaitTimeInMs === undefined ? {} : { maxWaitMs: maxWaitTimeInMs }),
    ...(maxBytes === undefined ? {} : { bufferBytes: ANSWERS_BUFFERED * maxBytes }),
  };
}

/** What assigners see of the cluster. */
class SeenTopics implements Cluster {
  readonly #core: ClientCore;

  constructor(core: ClientCore) {
    this.#core = core;
  }

  /** Resolves when the topics are known, or it is known that they are not there. */
  async refresh(topics: readonly string[]): Promise<void> {
    const { metadata } = this.#core;
    if (topics.every((topic) => metadata.view.get(topic) !== undefined)) return;
    for (const topic of topics) metadata.want(topic, { mayCreate: false });
    try {
      await metadata.refresh();
    } finally {
      for (const topic of topics) metadata.unwant(topic);
    }
  }

  findTopicPartitionMetadata(topic: string): PartitionMetadata[] {
    return partitionMetadataOf(this.#core.metadata.view.get(topic)?.partitions ?? []);
  }
}
