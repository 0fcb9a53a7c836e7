/** The coordinators of groups and of transactions follow the leadership of the topics that hold their records. */
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../metadata/topic-names.ts';
import { coordinatorLog } from './coordinator-log.ts';
import type { Services } from './services.ts';

interface Coordinated {
  readonly coordinator: Pick<GroupCoordinator, 'onElection' | 'onResignation'>;
  readonly readBytesMax: () => number;
}

export function coordinate({ partitions, groups, transactions, image, settings, ports }: Services): void {
  const { clock, logger } = ports;
  const coordinators = new Map<string, Coordinated>([
    [OFFSETS_TOPIC, { coordinator: groups, readBytesMax: () => settings().offsets.loadBufferBytes }],
    [
      TRANSACTIONS_TOPIC,
      { coordinator: transactions, readBytesMax: () => settings().transactions.loadBufferBytes },
    ],
  ]);
  partitions.onLeadership({
    onElected(partition) {
      const { topic, partition: index, leaderEpoch } = partition;
      const coordinated = coordinators.get(topic);
      if (coordinated === undefined) return;
      const log = coordinatorLog(partition, { clock, readBytesMax: coordinated.readBytesMax });
      coordinated.coordinator.onElection(index, leaderEpoch, log).catch((error: unknown) => {
        logger.error({ error, topic, partition: index }, "a coordinator's state could not be loaded");
      });
    },
    onResigned(partition) {
      coordinators.get(partition.topic)?.coordinator.onResignation(partition.partition);
    },
  });
  image.onChange(({ topicsDeleted }) => {
    if (topicsDeleted.length > 0) groups.onTopicsDeleted(topicsDeleted.map(({ name }) => name));
  });
}
