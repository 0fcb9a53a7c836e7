/** Which broker a request is for, as its content says. */
import type { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { UnknownOutcome } from '../client.ts';

const GROUP = 0;
const TRANSACTION = 1;
/** Requests for a group's coordinator: OffsetCommit, OffsetFetch, the classic protocol, TxnOffsetCommit. */
const OF_GROUP: ReadonlySet<number> = new Set([8, 9, 11, 12, 13, 14, 28]);
/** Requests for a transactional id's coordinator: InitProducerId, AddPartitions, AddOffsets, EndTxn. */
const OF_TRANSACTION: ReadonlySet<number> = new Set([22, 24, 25, 26]);

export interface Place {
  /** Its name or its id. */
  readonly topic: string;
  readonly partition: number;
}

export type Fetch = Pick<FetchRequest, 'topics'>;

/** Undefined: the request is for another sort of broker. */
export function coordinatorKeyOf(
  apiKey: number,
  body: unknown,
): { readonly type: number; readonly key: string } | undefined {
  const { groupId, transactionalId, v3AndBelowTransactionalId } = body as {
    readonly groupId?: string;
    readonly transactionalId?: string | null;
    readonly v3AndBelowTransactionalId?: string;
  };
  if (OF_GROUP.has(apiKey)) return { type: GROUP, key: groupId! };
  const id = transactionalId ?? v3AndBelowTransactionalId;
  if (!OF_TRANSACTION.has(apiKey) || id === undefined) return undefined;
  return { type: TRANSACTION, key: id };
}

/** The partitions that a request for leaders names: of Produce, ListOffsets, DeleteRecords and DescribeProducers. */
export function placesOf(apiKey: number, body: unknown): Place[] {
  const { topicData, topics } = body as {
    readonly topicData?: readonly { name: string; partitionData: readonly { index: number }[] }[];
    readonly topics?: readonly {
      name: string;
      partitions?: readonly { partitionIndex: number }[];
      partitionIndexes?: readonly number[];
    }[];
  };
  if (apiKey === 0)
    return topicData!.flatMap(({ name, partitionData }) =>
      partitionData.map(({ index }) => ({ topic: name, partition: index })),
    );
  if (apiKey !== 2 && apiKey !== 21 && apiKey !== 61) return [];
  return topics!.flatMap(({ name, partitions, partitionIndexes }) => {
    const indexes = partitionIndexes ?? partitions!.map(({ partitionIndex }) => partitionIndex);
    return indexes.map((partition) => ({ topic: name, partition }));
  });
}

/** A fetch for each leader; partitions that nobody leads are left out. */
export async function splitFetch(
  body: Fetch,
  leaderOf: (
    topic: string,
    partition: number,
  ) => Promise<{ readonly nodeId: number; readonly epoch: number } | undefined>,
): Promise<Map<number, Fetch>> {
  const parts = new Map<number, FetchRequest['topics'][number][]>();
  for (const topic of body.topics) {
    for (const partition of topic.partitions) {
      const leader = await leaderOf(topic.topic === '' ? topic.topicId : topic.topic, partition.partition);
      if (leader === undefined) continue;
      const part = parts.get(leader.nodeId);
      const one = { ...topic, partitions: [{ ...partition, currentLeaderEpoch: leader.epoch }] };
      if (part === undefined) parts.set(leader.nodeId, [one]);
      else part.push(one);
    }
  }
  return new Map([...parts].map(([leader, topics]) => [leader, { ...body, topics }]));
}

/** What the leaders have answered; throws when none has. */
export function mergeAnswers(answers: readonly PromiseSettledResult<unknown>[]): unknown {
  const bodies: FetchResponse[] = [];
  for (const answer of answers) {
    if (answer.status === 'fulfilled') bodies.push(answer.value as FetchResponse);
    else if (!(answer.reason instanceof UnknownOutcome)) throw answer.reason;
  }
  const [first] = bodies;
  if (first === undefined) throw new UnknownOutcome('no leader has answered');
  return { ...first, responses: bodies.flatMap(({ responses }) => responses) };
}

/** All error codes of an answer, wherever they are. */
export function* answersOf(value: unknown): Iterable<number> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    if (typeof inner === 'number') {
      if (name === 'errorCode' || name === 'partitionErrorCode') yield inner;
    } else yield* answersOf(inner);
  }
}
