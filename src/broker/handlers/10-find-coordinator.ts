/** FindCoordinator: which broker is responsible for a group, a transactional id or a share partition. */
import { parseUuid } from '../../base/uuid.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../../metadata/topic-names.ts';
import { Errors, errorName, type ErrorCode } from '../../protocol/errors.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import { authorize } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

const KEYS_SINCE = 4;
const SHARE_SINCE = 6;

/** What a key names. */
const KeyTypes = { GROUP: 0, TRANSACTION: 1, SHARE: 2 } as const;

interface Found {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export const findCoordinator = handler(
  FindCoordinatorRequest,
  FindCoordinatorResponse,
  async (request, context, services) => {
    const { keyType } = request;
    if (context.apiVersion < KEYS_SINCE) {
      const found = await find(keyType, request.key, context, services);
      // The old answers name the error even when there is none.
      const errorMessage = found.errorCode === Errors.NONE ? errorName(Errors.NONE) : found.errorMessage;
      return { throttleTimeMs: 0, ...found, errorMessage, coordinators: [] };
    }
    const coordinators = [];
    for (const key of request.coordinatorKeys) {
      coordinators.push({ key, ...(await find(keyType, key, context, services)) });
    }
    return { ...NOWHERE, throttleTimeMs: 0, errorCode: Errors.NONE, errorMessage: null, coordinators };
  },
);

const NOWHERE = { nodeId: -1, host: '', port: -1 };

function refuse(errorCode: ErrorCode, errorMessage: string = errorName(errorCode)): Found {
  return { errorCode, errorMessage, ...NOWHERE };
}

async function find(
  keyType: number,
  key: string,
  context: RequestContext,
  services: Services,
): Promise<Found> {
  switch (keyType) {
    case KeyTypes.GROUP:
      if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'GROUP', name: key })) {
        return refuse(Errors.GROUP_AUTHORIZATION_FAILED);
      }
      return leaderOf(OFFSETS_TOPIC, () => services.groups.partitionFor(key), context, services);
    case KeyTypes.TRANSACTION:
      if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'TRANSACTIONAL_ID', name: key })) {
        return refuse(Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
      }
      return leaderOf(TRANSACTIONS_TOPIC, () => services.transactions.partitionFor(key), context, services);
    case KeyTypes.SHARE:
      if (context.apiVersion < SHARE_SINCE) return refuse(Errors.INVALID_REQUEST);
      if (!authorize(services, context, { operation: 'CLUSTER_ACTION', resource: 'CLUSTER' })) {
        return refuse(Errors.CLUSTER_AUTHORIZATION_FAILED);
      }
      if (!isSharePartitionKey(key)) {
        return refuse(Errors.INVALID_REQUEST, 'The key of a share partition is group:topicId:partition.');
      }
      return refuse(Errors.UNSUPPORTED_VERSION, 'This broker does not serve share groups.');
    default:
      return refuse(Errors.INVALID_REQUEST, `There is no coordinator type ${keyType}.`);
  }
}

/** `group:topicId:partition` (KIP-932); as in Java's split, colons at the very end count for nothing. */
export function isSharePartitionKey(key: string): boolean {
  const [group, topicId, partition, ...rest] = key.replace(/:+$/, '').split(':');
  if (partition === undefined || rest.length > 0 || group.trim() === '') return false;
  if (parseUuid(topicId) === undefined || !/^[+-]?\d{1,10}$/.test(partition)) return false;
  return Math.abs(Number(partition)) < 2 ** 31;
}

/** Who leads the partition; the broker's own topic is made when the first client asks. */
async function leaderOf(
  topic: string,
  partition: () => number,
  context: RequestContext,
  services: Services,
): Promise<Found> {
  const { image, topicCreation } = services;
  if (!image.topics.has(topic)) {
    try {
      await topicCreation.ensureInternal(topic);
    } catch (error) {
      services.ports.logger.warn({ topic, error: String(error) }, 'an internal topic could not be created');
      return refuse(Errors.COORDINATOR_NOT_AVAILABLE);
    }
  }
  const state = image.topics.get(topic)?.partitions[partition()];
  const leader = state === undefined ? undefined : image.brokers.get(state.leader);
  const endpoint = leader?.endpoints.find(({ listener }) => listener === context.listener);
  if (leader === undefined || leader.fenced || endpoint === undefined) {
    return refuse(Errors.COORDINATOR_NOT_AVAILABLE);
  }
  const { host, port } = endpoint;
  return { errorCode: Errors.NONE, errorMessage: '', nodeId: leader.id, host, port };
}
