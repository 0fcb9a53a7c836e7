/** What OffsetCommit and TxnOffsetCommit check of a request's topics before the coordinator is asked, and their answer. */
import { ZERO_UUID } from '../base/uuid.ts';
import { Errors } from '../protocol/errors.ts';
import type { OffsetCommitRequest, OffsetCommitResponse } from '../protocol/messages/08-offset-commit.ts';
import type { RequestContext } from './context.ts';
import { readablePartitions, type Readable } from './readable-partitions.ts';
import type { Services } from './services.ts';

export type CommitTopic = OffsetCommitRequest['topics'][number];
export type CommitAnswer = OffsetCommitResponse['topics'][number];

/** Has `commit` take the topics and partitions that exist and that the client may read; the answers of all. */
export async function commitKnownTopics(
  request: { readonly topics: readonly CommitTopic[]; readonly usesTopicIds: boolean },
  commit: (known: CommitTopic[]) => Promise<readonly CommitAnswer[]>,
  context: RequestContext,
  services: Services,
): Promise<CommitAnswer[]> {
  const { usesTopicIds } = request;
  const topics = request.topics.map((topic) => (usesTopicIds ? named(topic, services) : topic));
  const checked = topics.map((topic) => check(topic, usesTopicIds, context, services));
  const known = checked.filter(({ partitions }) => partitions.length > 0);
  const committed = known.length === 0 ? [] : await commit(known);
  // The answer has the order of the request: what was refused here beside what the coordinator says.
  const codes = new Map(
    committed.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode }) => [`${name}/${partitionIndex}`, errorCode] as const),
    ),
  );
  const answers = topics.map((topic, i) => {
    const { refusal } = checked[i];
    if (refusal !== Errors.NONE) return commitTopicRefused(topic, refusal);
    const { name, topicId } = topic;
    const partitions = topic.partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: codes.get(`${name}/${partitionIndex}`) ?? Errors.UNKNOWN_TOPIC_OR_PARTITION,
    }));
    return { name, topicId, partitions };
  });
  const isMixed = topics.some((topic, i) => checked[i].partitions.length < topic.partitions.length);
  return isMixed ? together(answers) : answers;
}

export function commitTopicRefused(
  { name, topicId, partitions }: CommitTopic,
  errorCode: number,
): CommitAnswer {
  return {
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  };
}

/** As Kafka answers where the broker itself refused some: mentions of a topic are put together. */
function together(answers: readonly CommitAnswer[]): CommitAnswer[] {
  const topics = new Map<string, CommitAnswer>();
  for (const answer of answers) {
    const known = topics.get(answer.topicId + answer.name);
    if (known === undefined) topics.set(answer.topicId + answer.name, answer);
    else known.partitions.push(...answer.partitions);
  }
  return [...topics.values()];
}

/** Names instead of ids; '' for an id that nobody knows. */
function named(topic: CommitTopic, services: Services): CommitTopic {
  const known = topic.topicId === ZERO_UUID ? undefined : services.image.topicById(topic.topicId);
  return { ...topic, name: known?.name ?? '' };
}

function check(
  topic: CommitTopic,
  usesTopicIds: boolean,
  context: RequestContext,
  services: Services,
): Readable<CommitTopic> {
  const isUnknownId = usesTopicIds && topic.name === '';
  if (isUnknownId) return { ...topic, partitions: [], refusal: Errors.UNKNOWN_TOPIC_ID };
  return readablePartitions(topic, context, services);
}
