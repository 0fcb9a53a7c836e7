/** An administrator's questions about where share groups begin (KIP-932): everything before has been dealt with. */
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeShareGroupOffsetsRequest,
  DescribeShareGroupOffsetsResponse,
} from '../../protocol/messages/90-describe-share-group-offsets.ts';
import {
  AlterShareGroupOffsetsRequest,
  AlterShareGroupOffsetsResponse,
} from '../../protocol/messages/91-alter-share-group-offsets.ts';
import {
  DeleteShareGroupOffsetsRequest,
  DeleteShareGroupOffsetsResponse,
} from '../../protocol/messages/92-delete-share-group-offsets.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { eachItem, grouped, matched, outcomeOf, partitionName } from './items.ts';
import { byPartition } from './records.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface ShareGroupOffset extends TopicPartition {
  /** Everything before it has been dealt with; behind it some may have been, too. */
  readonly startOffset: number;
  /** -1 when it is not known. */
  readonly leaderEpoch: number;
  /** Records that are not dealt with; null from brokers before Kafka 4.3, or when it is not known. */
  readonly lag: number | null;
}

/** Partitions in which the group has not begun are left out. */
export async function shareGroupOffsets(
  routes: Routes,
  group: string,
  options: AskOptions & {
    /** Of these; of all that the group has unless given. */
    readonly partitions?: readonly TopicPartition[];
  } = {},
): Promise<ShareGroupOffset[]> {
  const topics =
    options.partitions === undefined
      ? null
      : grouped(options.partitions, ({ partition }) => partition).map(([topicName, partitions]) => ({
          topicName,
          partitions,
        }));
  const [found] = await eachItem(routes, [group], {
    ...options,
    nameOf: () => group,
    ask: async () => {
      const { groups } = await routes.coordinator(group).ask(
        {
          request: DescribeShareGroupOffsetsRequest,
          response: DescribeShareGroupOffsetsResponse,
          body: () => ({ groups: [{ groupId: group, topics }] }),
        },
        (answer) => answer.groups[0]?.errorCode ?? Errors.NONE,
      );
      const answers = new Map(groups.map((one) => [one.groupId, one]));
      return matched([group], answers, {
        keyOf: () => group,
        outcome: (one) => outcomeOf(one, `offsets of share group ${group}`, () => one.topics),
      });
    },
  });
  const offsets = found!.flatMap(({ topicName: topic, partitions }) =>
    partitions.map((one) => ({ topic, partition: one.partitionIndex, answer: one })),
  );
  const values = await eachItem(routes, offsets, {
    ...options,
    nameOf: partitionName,
    ask: (asked) =>
      Promise.resolve(
        asked.map(({ topic, partition, answer }) =>
          outcomeOf(answer, `offset of ${topic}-${partition} in share group ${group}`, () => ({
            topic,
            partition,
            startOffset: answer.startOffset,
            leaderEpoch: answer.leaderEpoch,
            lag: answer.lag < 0 ? null : answer.lag,
          })),
        ),
      ),
  });
  return values.filter(({ startOffset }) => startOffset >= 0);
}

export async function alterShareGroupOffsets(
  routes: Routes,
  group: string,
  offsets: readonly (TopicPartition & { readonly offset: number })[],
  options: AskOptions = {},
): Promise<void> {
  await eachItem(routes, offsets, {
    ...options,
    nameOf: partitionName,
    ask: async (asked) => {
      const answer = await routes.coordinator(group).ask(
        {
          request: AlterShareGroupOffsetsRequest,
          response: AlterShareGroupOffsetsResponse,
          body: () => ({
            groupId: group,
            topics: grouped(asked, ({ partition, offset }) => ({
              partitionIndex: partition,
              startOffset: offset,
            })).map(([topicName, partitions]) => ({ topicName, partitions })),
          }),
        },
        ({ errorCode }) => errorCode,
      );
      const whole = outcomeOf(answer, `setting offsets of share group ${group}`, () => undefined);
      if ('error' in whole) return asked.map(() => whole);
      const named = answer.responses.map(({ topicName: name, partitions }) => ({ name, partitions }));
      return matched(asked, byPartition(named), {
        keyOf: partitionName,
        outcome: (one, at) =>
          outcomeOf(one, `offset of ${partitionName(at)} in share group ${group}`, () => undefined),
      });
    },
  });
}

export async function deleteShareGroupOffsets(
  routes: Routes,
  of: { readonly group: string; readonly topics: readonly string[] },
  options: AskOptions = {},
): Promise<void> {
  const { group, topics } = of;
  await eachItem(routes, topics, {
    ...options,
    nameOf: (topic) => topic,
    ask: async (asked) => {
      const answer = await routes.coordinator(group).ask(
        {
          request: DeleteShareGroupOffsetsRequest,
          response: DeleteShareGroupOffsetsResponse,
          body: () => ({ groupId: group, topics: asked.map((topicName) => ({ topicName })) }),
        },
        ({ errorCode }) => errorCode,
      );
      const whole = outcomeOf(answer, `deleting offsets of share group ${group}`, () => undefined);
      if ('error' in whole) return asked.map(() => whole);
      return matched(asked, new Map(answer.responses.map((one) => [one.topicName, one])), {
        keyOf: (topic) => topic,
        outcome: (one, topic) =>
          outcomeOf(one, `offsets of ${topic} in share group ${group}`, () => undefined),
      });
    },
  });
}
