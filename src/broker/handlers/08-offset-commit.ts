/** OffsetCommit: a group remembers how far it has come (KIP-848 topic ids from version 10 on). */
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../protocol/messages/08-offset-commit.ts';
import { authorize, mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

const TOPIC_IDS_SINCE = 10;

type Topic = OffsetCommitRequest['topics'][number];

export const offsetCommit = handler(
  OffsetCommitRequest,
  OffsetCommitResponse,
  async (request, context, services) => {
    const { groupId } = request;
    if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: groupId })) {
      return {
        throttleTimeMs: 0,
        topics: request.topics.map((topic) => refused(topic, Errors.GROUP_AUTHORIZATION_FAILED)),
      };
    }
    const topics = request.topics.map((topic) => named(topic, context, services));
    const checked = topics.map((topic) => check(topic, context, services));
    const known = checked.filter(({ partitions }) => partitions.length > 0);
    const committed =
      known.length === 0 ? [] : await services.groups.commitOffsets(context, { ...request, topics: known });
    // The answer has the order of the request: what was refused here beside what the coordinator says.
    const codes = new Map(
      committed.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, errorCode }) => [`${name}/${partitionIndex}`, errorCode] as const),
      ),
    );
    const answers = topics.map((topic, i) => {
      const { refusal } = checked[i];
      if (refusal !== Errors.NONE) return refused(topic, refusal);
      const { name, topicId } = topic;
      const partitions = topic.partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: codes.get(`${name}/${partitionIndex}`) ?? Errors.UNKNOWN_TOPIC_OR_PARTITION,
      }));
      return { name, topicId, partitions };
    });
    const isMixed = topics.some((topic, i) => checked[i].partitions.length < topic.partitions.length);
    return { throttleTimeMs: 0, topics: isMixed ? together(answers) : answers };
  },
);

type Answer = OffsetCommitResponse['topics'][number];

/** As Kafka answers where the broker itself refused some: mentions of a topic are put together. */
function together(answers: readonly Answer[]): Answer[] {
  const topics = new Map<string, Answer>();
  for (const answer of answers) {
    const known = topics.get(answer.topicId + answer.name);
    if (known === undefined) topics.set(answer.topicId + answer.name, answer);
    else known.partitions.push(...answer.partitions);
  }
  return [...topics.values()];
}

/** Names instead of ids; '' for an id that nobody knows. */
function named(topic: Topic, context: RequestContext, services: Services): Topic {
  if (context.apiVersion < TOPIC_IDS_SINCE) return topic;
  const known = topic.topicId === ZERO_UUID ? undefined : services.image.topicById(topic.topicId);
  return { ...topic, name: known?.name ?? '' };
}

/** The topic with the partitions that exist, or why there are none. */
function check(
  topic: Topic,
  context: RequestContext,
  services: Services,
): Topic & { readonly refusal: number } {
  const refuse = (refusal: number): Topic & { readonly refusal: number } => ({
    ...topic,
    partitions: [],
    refusal,
  });
  if (context.apiVersion >= TOPIC_IDS_SINCE && topic.name === '') return refuse(Errors.UNKNOWN_TOPIC_ID);
  if (!mayTopic(services, context, 'READ', topic.name)) return refuse(Errors.TOPIC_AUTHORIZATION_FAILED);
  const known = services.image.topics.get(topic.name);
  if (known === undefined) return refuse(Errors.UNKNOWN_TOPIC_OR_PARTITION);
  const partitions = topic.partitions.filter(
    ({ partitionIndex }) => known.partitions[partitionIndex] !== undefined,
  );
  return { ...topic, partitions, refusal: Errors.NONE };
}

function refused(
  { name, topicId, partitions }: Topic,
  errorCode: number,
): OffsetCommitResponse['topics'][number] {
  return {
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  };
}
