/** OffsetFetch: what groups have committed; several groups from version 8 on (KIP-709), topic ids from version 10 on. */
import { ZERO_UUID } from '../../base/uuid.ts';
import { fetchRefused } from '../../groups/group-coordinator.ts';
import { noOffset, type FetchedGroup, type FetchGroup } from '../../groups/offsets/fetch.ts';
import { Errors } from '../../protocol/errors.ts';
import { OFFSETS_TOPIC } from '../../metadata/topic-names.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../protocol/messages/09-offset-fetch.ts';
import { authorize, mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';
import { stillLeads } from '../still-leads.ts';

const GROUPS_SINCE = 8;
const TOPIC_IDS_SINCE = 10;

export const offsetFetch = handler(
  OffsetFetchRequest,
  OffsetFetchResponse,
  async (request, context, services) => {
    const { requireStable } = request;
    if (context.apiVersion >= GROUPS_SINCE) {
      const groups = await Promise.all(
        request.groups.map((group) => fetchGroup(group, requireStable, context, services)),
      );
      return { throttleTimeMs: 0, topics: [], errorCode: Errors.NONE, groups };
    }
    const topics = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
    const only = { groupId: request.groupId, memberId: null, memberEpoch: -1, topics };
    const group = await fetchGroup(only, requireStable, context, services);
    return { throttleTimeMs: 0, topics: group.topics, errorCode: group.errorCode, groups: [] };
  },
);

async function fetchGroup(
  request: FetchGroup,
  requireStable: boolean,
  context: RequestContext,
  services: Services,
): Promise<FetchedGroup> {
  const { apiVersion } = context;
  const { groupId } = request;
  if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'GROUP', name: groupId })) {
    return fetchRefused(request, Errors.GROUP_AUTHORIZATION_FAILED, apiVersion);
  }
  // Offsets from before those that a successor has would have a consumer read again what is processed.
  if (services.mayBeFenced() && !(await stillCoordinates(groupId, services))) {
    return fetchRefused(request, Errors.NOT_COORDINATOR, apiVersion);
  }
  const checked = request.topics?.map((topic) => check(topic, context, services)) ?? null;
  const allowed = checked?.filter(({ refusal }) => refusal === Errors.NONE) ?? null;
  const fetched = await services.groups.fetchOffsets({ ...request, topics: allowed }, requireStable);
  if (fetched.errorCode !== Errors.NONE) return fetchRefused(request, fetched.errorCode, apiVersion);
  if (checked === null) return { ...fetched, topics: visible(fetched.topics, context, services) };
  const topics = fetched.topics[Symbol.iterator]();
  return {
    ...fetched,
    topics: checked.map(({ refusal, name, topicId, partitionIndexes }) => {
      if (refusal === Errors.NONE) return topics.next().value!;
      return { name, topicId, partitions: partitionIndexes.map((partition) => noOffset(partition, refusal)) };
    }),
  };
}

async function stillCoordinates(groupId: string, services: Services): Promise<boolean> {
  const partition = services.partitions.get(OFFSETS_TOPIC, services.groups.partitionFor(groupId));
  return partition !== undefined && stillLeads(partition, services);
}

type Topic = NonNullable<FetchGroup['topics']>[number];

/** The topic by its name, and why nothing is said about it. */
function check(
  topic: Topic,
  context: RequestContext,
  services: Services,
): Topic & { readonly refusal: number } {
  const hasId = context.apiVersion >= TOPIC_IDS_SINCE;
  const known = hasId && topic.topicId !== ZERO_UUID ? services.image.topicById(topic.topicId) : undefined;
  const name = hasId ? (known?.name ?? '') : topic.name;
  if (hasId && name === '') return { ...topic, name, refusal: Errors.UNKNOWN_TOPIC_ID };
  const isAllowed = mayTopic(services, context, 'DESCRIBE', name);
  return { ...topic, name, refusal: isAllowed ? Errors.NONE : Errors.TOPIC_AUTHORIZATION_FAILED };
}

/** Of all topics, those the client may know of; from version 10 on those that still have an id. */
function visible(
  topics: FetchedGroup['topics'],
  context: RequestContext,
  services: Services,
): FetchedGroup['topics'] {
  const allowed = topics.filter(({ name }) => mayTopic(services, context, 'DESCRIBE', name));
  if (context.apiVersion < TOPIC_IDS_SINCE) return allowed;
  return allowed
    .map((topic) => ({ ...topic, topicId: services.image.topics.get(topic.name)?.id ?? ZERO_UUID }))
    .filter(({ topicId }) => topicId !== ZERO_UUID);
}
