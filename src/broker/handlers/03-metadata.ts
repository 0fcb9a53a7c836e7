/** Metadata (key 3): which topics and brokers there are and who leads what, as a client's listener sees it. */
import { ZERO_UUID } from '../../base/uuid.ts';
import type { ClusterImage, PartitionImage, TopicImage } from '../../metadata/image.ts';
import { isInternalTopic, topicNameProblem } from '../../metadata/topic-names.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import type { Write } from '../../protocol/schema.ts';
import { authorize, mayTopic } from '../authorization.ts';
import {
  authorizedClusterOperations,
  authorizedOperations,
  OPERATIONS_NOT_ASKED,
} from '../authorized-operations.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';
import {
  brokerNode,
  brokerNodes,
  hasListener,
  offlineReplicas,
  randomAliveBroker,
} from '../topic-description.ts';

type TopicAnswer = Write<typeof MetadataResponse>['topics'][number];
type TopicAsked = NonNullable<MetadataRequest['topics']>[number];
type PartitionAnswer = TopicAnswer['partitions'][number];

/** The versions up to this one ask by name alone. */
const LAST_VERSION_BY_NAME = 11;
/** In which an unavailable listener of the leader was not told from an unavailable leader. */
const LAST_VERSION_WITHOUT_LISTENER_ERROR = 5;

export const metadata = handler(MetadataRequest, MetadataResponse, (request, context, services) => {
  const { image } = services;
  const version = context.apiVersion;
  if (request.topics?.some((topic) => isMalformed(topic, version))) return malformed(request);
  const isAll = request.topics === null || (version === 0 && request.topics.length === 0);
  const topics = isAll ? allTopics(context, services) : namedTopics(request, context, services);
  const askTopics = request.includeTopicAuthorizedOperations;
  const askCluster = request.includeClusterAuthorizedOperations;
  return {
    throttleTimeMs: 0,
    errorCode: Errors.NONE,
    brokers: brokerNodes(image, context.listener).filter((node) => !node.isFenced),
    clusterId: image.clusterId,
    controllerId: randomAliveBroker(image, services.ports.random),
    topics: askTopics ? topics.map((topic) => withOperations(topic, context, services)) : topics,
    clusterAuthorizedOperations: askCluster
      ? authorizedClusterOperations(services, context)
      : OPERATIONS_NOT_ASKED,
  };
});

/** Those that the asker may describe; of the others nothing is told. */
function allTopics(context: RequestContext, services: Services): TopicAnswer[] {
  const answers: TopicAnswer[] = [];
  for (const topic of services.image.topics.values()) {
    if (!mayTopic(services, context, 'DESCRIBE', topic.name)) continue;
    answers.push(topicAnswer(services.image, topic, context));
  }
  return answers;
}

function namedTopics(request: MetadataRequest, context: RequestContext, services: Services): TopicAnswer[] {
  const names = new Set<string>();
  const ids = new Set<string>();
  for (const { name, topicId } of request.topics ?? []) {
    if (topicId !== ZERO_UUID) ids.add(topicId);
    else if (name !== null) names.add(name);
  }
  // A request asks in one way for all its topics: ids count where there are any (KIP-516).
  if (ids.size > 0) return [...ids].map((id) => topicOfId(id, context, services));
  return topicsOfNames(names, request.allowAutoTopicCreation, context, services);
}

/** Ids belong to later versions; from then on one of the two is needed. */
function isMalformed({ name, topicId }: TopicAsked, version: number): boolean {
  if (version <= LAST_VERSION_BY_NAME) return name === null || topicId !== ZERO_UUID;
  return name === null && topicId === ZERO_UUID;
}

/** The answer of a request that is refused as a whole; a name in it cannot be null in every version. */
function malformed(request: MetadataRequest): Write<typeof MetadataResponse> {
  const topics = request.topics ?? [];
  return {
    throttleTimeMs: 0,
    errorCode: Errors.INVALID_REQUEST,
    brokers: [],
    topics: topics.map(({ name, topicId }) => failed(Errors.INVALID_REQUEST, name ?? '', topicId)),
  };
}

function topicOfId(id: string, context: RequestContext, services: Services): TopicAnswer {
  const topic = services.image.topicById(id);
  if (topic === undefined) return failed(Errors.UNKNOWN_TOPIC_ID, null, id);
  if (!mayTopic(services, context, 'DESCRIBE', topic.name)) {
    return failed(Errors.TOPIC_AUTHORIZATION_FAILED, null, id);
  }
  return topicAnswer(services.image, topic, context);
}

function topicsOfNames(
  names: ReadonlySet<string>,
  allowAutoTopicCreation: boolean,
  context: RequestContext,
  services: Services,
): TopicAnswer[] {
  const { image } = services;
  const mayCreate = allowAutoTopicCreation && services.settings().topics.autoCreateEnable;
  const answers: TopicAnswer[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const topic = image.topics.get(name);
    // Whether a topic exists is not told to those who may not describe it.
    if (!mayTopic(services, context, 'DESCRIBE', name)) {
      answers.push({ ...failed(Errors.TOPIC_AUTHORIZATION_FAILED, name), isInternal: false });
    } else if (topic !== undefined) {
      answers.push(topicAnswer(image, topic, context));
    } else if (!mayCreate) {
      const isInvalid = topicNameProblem(name) !== undefined;
      const code = isInvalid ? Errors.INVALID_TOPIC_EXCEPTION : Errors.UNKNOWN_TOPIC_OR_PARTITION;
      answers.push(failed(code, name));
    } else if (!mayCreateTopic(services, context, name)) {
      answers.push(failed(Errors.TOPIC_AUTHORIZATION_FAILED, name));
    } else {
      missing.push(name);
    }
  }
  if (missing.length === 0) return answers;
  for (const [name, code] of services.topicCreation.begin(missing)) answers.push(failed(code, name));
  return answers;
}

function mayCreateTopic(services: Services, context: RequestContext, name: string): boolean {
  return (
    authorize(services, context, { operation: 'CREATE', resource: 'CLUSTER' }) ||
    mayTopic(services, context, 'CREATE', name)
  );
}

function failed(errorCode: ErrorCode, name: string | null, topicId = ZERO_UUID): TopicAnswer {
  return { errorCode, name, topicId, isInternal: name !== null && isInternalTopic(name), partitions: [] };
}

function topicAnswer(image: ClusterImage, topic: TopicImage, context: RequestContext): TopicAnswer {
  return {
    errorCode: Errors.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: topic.isInternal,
    partitions: topic.partitions.map((partition) => partitionAnswer(image, partition, context)),
  };
}

function partitionAnswer(
  image: ClusterImage,
  partition: PartitionImage,
  context: RequestContext,
): PartitionAnswer {
  const { listener, apiVersion } = context;
  const leader = brokerNode(image, partition.leader, listener);
  // Version 0 left out replicas on brokers that are gone, and said so.
  const shown = (ids: readonly number[]): readonly number[] =>
    apiVersion > 0 ? ids : ids.filter((id) => isReachable(image, id, listener));
  const replicaNodes = shown(partition.replicas);
  const isrNodes = shown(partition.isr);
  let errorCode: ErrorCode = Errors.NONE;
  if (leader === undefined) {
    const isKnown = image.brokers.has(partition.leader) && apiVersion > LAST_VERSION_WITHOUT_LISTENER_ERROR;
    errorCode = isKnown ? Errors.LISTENER_NOT_FOUND : Errors.LEADER_NOT_AVAILABLE;
  } else if (replicaNodes.length < partition.replicas.length || isrNodes.length < partition.isr.length) {
    errorCode = Errors.REPLICA_NOT_AVAILABLE;
  }
  return {
    errorCode,
    partitionIndex: partition.partition,
    leaderId: leader?.nodeId ?? -1,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes,
    isrNodes,
    offlineReplicas: offlineReplicas(image, partition, listener),
  };
}

function isReachable(image: ClusterImage, nodeId: number, listener: string): boolean {
  const broker = image.brokers.get(nodeId);
  return broker !== undefined && !broker.fenced && hasListener(broker, listener);
}

/** Topics that the asker may not see carry no operations: that would tell of them. */
function withOperations(topic: TopicAnswer, context: RequestContext, services: Services): TopicAnswer {
  if (topic.errorCode === Errors.TOPIC_AUTHORIZATION_FAILED || topic.name === null) return topic;
  const topicAuthorizedOperations = authorizedOperations(services, context, 'TOPIC', topic.name);
  return { ...topic, topicAuthorizedOperations };
}
