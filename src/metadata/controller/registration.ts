/**
 * Making a cluster, becoming its controller, and brokers' registrations. These are the decisions that are taken before
 * there is a controller, or by each broker for itself; they rest on compare-and-set alone.
 */
import type { Compare, Operation } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import { DEFAULT_LEVELS } from '../features.ts';
import type { ClusterImage, Endpoint } from '../image.ts';
import {
  brokerKey,
  CLUSTER_KEY,
  CONTROLLER_KEY,
  FEATURES_KEY,
  INTER_BROKER_SECRET_KEY,
  nodeKey,
} from '../keys.ts';
import { answer, Change, refusal, SUCCESS, type Decision, type Outcome } from '../outcome.ts';
import {
  BrokerRecord,
  ClusterRecord,
  ControllerRecord,
  encodeRecord,
  FeaturesRecord,
  InterBrokerSecretRecord,
  NodeRecord,
} from '../records.ts';

/**
 * Gives a cluster its id, its feature levels and its secret, unless it has them; one of an earlier release has no secret
 * yet. The result is the id that holds.
 */
export function createCluster(
  image: ClusterImage,
  { clusterId, secret }: { readonly clusterId: string; readonly secret: Buffer },
): Decision<string> {
  const change = new Change();
  const isNew = image.clusterId === '';
  if (isNew) {
    change.put(CLUSTER_KEY, 0, encodeRecord(ClusterRecord, { clusterId }));
    if (image.keyRevisions(FEATURES_KEY).modRevision === 0) {
      change.put(FEATURES_KEY, 0, encodeRecord(FeaturesRecord, { levels: DEFAULT_LEVELS }));
    }
  }
  if (image.keyRevisions(INTER_BROKER_SECRET_KEY).modRevision === 0) {
    change.put(INTER_BROKER_SECRET_KEY, 0, encodeRecord(InterBrokerSecretRecord, { secret }));
  }
  return change.decide(isNew ? clusterId : image.clusterId);
}

/** The broker becomes controller if there is none. The epoch is the key's create revision, told by the image. */
export function claimController(image: ClusterImage, nodeId: number, sessionId: string): Decision<boolean> {
  if (image.keyRevisions(CONTROLLER_KEY).modRevision > 0) return answer(false);
  return {
    compares: [{ key: CONTROLLER_KEY, modRevision: 0 }],
    operations: [putWith(sessionId, CONTROLLER_KEY, encodeRecord(ControllerRecord, { nodeId }))],
    result: true,
  };
}

/** The controller's key is removed if `epoch` is still its own: before a new claim with another session. */
export function resignController(image: ClusterImage, epoch: number): Decision<void> {
  if (image.keyRevisions(CONTROLLER_KEY).createRevision !== epoch) return answer(undefined);
  return {
    compares: [{ key: CONTROLLER_KEY, createRevision: epoch }],
    operations: [{ type: 'delete', key: CONTROLLER_KEY }],
    result: undefined,
  };
}

export interface Registration {
  readonly nodeId: number;
  /** New with each start of the process. */
  readonly incarnationId: string;
  readonly rack: string | null;
  readonly endpoints: readonly Endpoint[];
  /** Ids of the log directories that are online. */
  readonly directories: readonly string[];
}

/**
 * Registers a broker. While a registration of the same id is alive the answer is DUPLICATE_BROKER_REGISTRATION: either
 * somebody else has the id, or the session of this broker's last life has not run out.
 */
export function registerBroker(
  image: ClusterImage,
  registration: Registration,
  sessionId: string,
): Decision<Outcome> {
  const { nodeId, incarnationId, rack, endpoints, directories } = registration;
  const live = brokerKey(nodeId);
  const standing = image.keyRevisions(live);
  if (standing.modRevision > 0 && image.brokers.get(nodeId)?.incarnationId === incarnationId) {
    // By an attempt of which nobody could tell whether it had succeeded.
    const renewed = renewRegistration(
      image,
      { nodeId, incarnationId, epoch: standing.createRevision },
      sessionId,
    );
    return { ...renewed, result: SUCCESS };
  }
  if (standing.modRevision > 0) {
    const message = `Another broker is registered with that broker id ${nodeId}.`;
    return answer(refusal(Errors.DUPLICATE_BROKER_REGISTRATION, message));
  }
  const change = new Change();
  const node = nodeKey(nodeId);
  const value = encodeRecord(NodeRecord, { rack, endpoints, directories });
  change.put(node, image.keyRevisions(node).modRevision, value);
  change.expect(live, 0);
  change.operations.push(putWith(sessionId, live, encodeRecord(BrokerRecord, { incarnationId })));
  return change.decide(SUCCESS);
}

/** The claim goes on under another session, if it is still ours: no term of another controller lies between. */
export function renewClaim(
  image: ClusterImage,
  { nodeId, epoch }: { readonly nodeId: number; readonly epoch: number },
  sessionId: string,
): Decision<boolean> {
  if (image.keyRevisions(CONTROLLER_KEY).createRevision !== epoch) return answer(false);
  return {
    compares: [{ key: CONTROLLER_KEY, createRevision: epoch }],
    operations: [putWith(sessionId, CONTROLLER_KEY, encodeRecord(ControllerRecord, { nodeId }))],
    isRenewal: true,
    result: true,
  };
}

/** A registration that stands, as its broker knows it. */
export interface StandingRegistration {
  readonly nodeId: number;
  readonly epoch: number;
  readonly incarnationId: string;
  readonly isStopping?: boolean;
}

/**
 * The registration goes on, under another session or with another mark, and with its epoch: to the others the broker was
 * never away. False: it is over.
 */
export function renewRegistration(
  image: ClusterImage,
  { nodeId, epoch, incarnationId, isStopping = false }: StandingRegistration,
  sessionId: string,
): Decision<boolean> {
  const key = brokerKey(nodeId);
  if (image.keyRevisions(key).createRevision !== epoch) return answer(false);
  const value = encodeRecord(BrokerRecord, { incarnationId, isStopping });
  return {
    compares: [{ key, createRevision: epoch }],
    operations: [putWith(sessionId, key, value)],
    isRenewal: true,
    result: true,
  };
}

/** The epoch and the log directories under which a broker was registered last, whether or not it is alive. */
export function lastRegistration(
  image: ClusterImage,
  nodeId: number,
): { readonly epoch: number; readonly directories: readonly string[] } {
  // Both keys are put at one revision, and this one by nothing else.
  const epoch = image.keyRevisions(nodeKey(nodeId)).modRevision;
  return { epoch, directories: image.brokers.get(nodeId)?.directories ?? [] };
}

/**
 * Ends the registration of a former life of this broker, whose end is certain although its session still stands: the
 * caller holds the lock on the log directories that the former life held. `epoch`: only this one.
 */
export function evictBroker(image: ClusterImage, nodeId: number, epoch?: number): Decision<void> {
  const key = brokerKey(nodeId);
  const { createRevision } = image.keyRevisions(key);
  if (createRevision === 0 || (epoch !== undefined && createRevision !== epoch)) return answer(undefined);
  return {
    compares: [{ key, createRevision }],
    operations: [{ type: 'delete', key }],
    result: undefined,
  };
}

/**
 * Ends the registration of a broker that others have found dead, and its claim on the decisions with it: both would
 * otherwise stand until its session is over.
 */
export function evictEnded(image: ClusterImage, nodeId: number, epoch: number): Decision<void> {
  const key = brokerKey(nodeId);
  if (image.keyRevisions(key).createRevision !== epoch) return answer(undefined);
  const compares: Compare[] = [{ key, createRevision: epoch }];
  const operations: Operation[] = [{ type: 'delete', key }];
  if (image.controllerId === nodeId) {
    compares.push({ key: CONTROLLER_KEY, createRevision: image.controllerEpoch });
    operations.push({ type: 'delete', key: CONTROLLER_KEY });
  }
  return { compares, operations, result: undefined };
}

/**
 * UnregisterBroker: forgets a broker. One that is alive is refused, unlike in Kafka, where it goes on without being part of
 * the cluster until somebody restarts it; nothing good can come of that.
 */
export function unregisterBroker(image: ClusterImage, nodeId: number): Decision<Outcome> {
  const broker = image.brokers.get(nodeId);
  if (broker === undefined) {
    const message = `Broker ID ${nodeId} is not currently registered`;
    return answer(refusal(Errors.BROKER_ID_NOT_REGISTERED, message));
  }
  if (!broker.fenced) {
    const message = `Broker ID ${nodeId} is alive: stop it before it is unregistered`;
    return answer(refusal(Errors.INVALID_REQUEST, message));
  }
  const change = new Change();
  const node = nodeKey(nodeId);
  change.delete(node, image.keyRevisions(node).modRevision);
  change.expect(brokerKey(nodeId), 0);
  return change.decide(SUCCESS);
}

function putWith(sessionId: string, key: string, value: Buffer): Operation {
  return { type: 'put', key, value, sessionId };
}
