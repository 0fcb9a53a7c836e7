/**
 * DescribeQuorum (key 55). There is no KRaft log behind Headrace: what decides is the metadata store. The answer tells
 * what is true of it in the question's words: the leader is the controller, its epoch the controller's, voters are the
 * brokers that may become controller, and offsets are revisions of the metadata.
 */
import { ZERO_UUID } from '../../base/uuid.ts';
import type { BrokerImage } from '../../metadata/image.ts';
import { refusal } from '../../metadata/outcome.ts';
import { CLUSTER_METADATA_TOPIC } from '../../metadata/topic-names.ts';
import { Errors } from '../../protocol/errors.ts';
import { DescribeQuorumRequest, DescribeQuorumResponse } from '../../protocol/messages/55-describe-quorum.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

/** Epochs are int32 on the wire; a controller epoch is a revision. */
const EPOCH_MAX = 2 ** 31 - 1;

export const describeQuorum = handler(
  DescribeQuorumRequest,
  DescribeQuorumResponse,
  (request, context, services) => {
    requireClusterOperation(services, context, 'DESCRIBE');
    const [topic] = request.topics;
    const isMetadata =
      request.topics.length === 1 &&
      topic.topicName === CLUSTER_METADATA_TOPIC &&
      topic.partitions.length === 1 &&
      topic.partitions[0].partitionIndex === 0;
    if (!isMetadata) return unknownPartitions(request);
    const { image } = services;
    const partition = {
      partitionIndex: 0,
      errorCode: Errors.NONE,
      errorMessage: '',
      leaderId: image.controllerId,
      leaderEpoch: Math.min(image.controllerEpoch, EPOCH_MAX),
      highWatermark: image.revision,
      currentVoters: [...image.brokers.values()].map((broker) => voter(broker, services)),
      observers: [],
    };
    return {
      errorCode: Errors.NONE,
      errorMessage: '',
      topics: [{ topicName: CLUSTER_METADATA_TOPIC, partitions: [partition] }],
      nodes: [...image.brokers.values()].map(({ id, endpoints }) => ({
        nodeId: id,
        listeners: endpoints.map(({ listener, host, port }) => ({ name: listener, host, port })),
      })),
    };
  },
);

/** How far another broker has come is known to itself alone. */
function voter({ id, directories }: BrokerImage, { image, nodeId, ports }: Services) {
  const isThis = id === nodeId;
  const nowMs = isThis ? ports.clock.nowMs() : -1;
  return {
    replicaId: id,
    replicaDirectoryId: directories[0] ?? ZERO_UUID,
    logEndOffset: isThis ? image.revision : -1,
    lastFetchTimestamp: nowMs,
    lastCaughtUpTimestamp: nowMs,
  };
}

function unknownPartitions(request: DescribeQuorumRequest) {
  const { errorCode, errorMessage } = refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION);
  return {
    errorCode: Errors.NONE,
    errorMessage: '',
    topics: request.topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode,
        errorMessage,
        leaderId: 0,
        leaderEpoch: 0,
        highWatermark: 0,
        currentVoters: [],
        observers: [],
      })),
    })),
    nodes: [],
  };
}
