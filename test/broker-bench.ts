/**
 * A broker's metadata side without sockets and logs: a store in memory, the image, the controller and the handlers, called
 * with real bytes in both directions, so that each version of a message is the one that a client would see.
 */
import type { MetadataStore } from '../src/base/ports.ts';
import { ANONYMOUS, UNKNOWN_SOFTWARE, type RequestContext } from '../src/broker/context.ts';
import { errorResponse, failureOf } from '../src/broker/error-response.ts';
import type { Handler } from '../src/broker/handler.ts';
import { logLevels, type LogLevels } from '../src/broker/log-levels.ts';
import type { Services } from '../src/broker/services.ts';
import { TopicCreation } from '../src/broker/topic-creation.ts';
import { brokerConfigSources } from '../src/metadata/broker-sources.ts';
import { brokerSettings } from '../src/metadata/configs/broker-settings.ts';
import { Controller } from '../src/metadata/controller.ts';
import { follow } from '../src/metadata/follow.ts';
import { ClusterImage, type Endpoint } from '../src/metadata/image.ts';
import { memoryStore } from '../src/metadata/memory-store.ts';
import { ProducerIds } from '../src/metadata/producer-ids.ts';
import { Errors } from '../src/protocol/errors.ts';
import { codec } from '../src/protocol/compile.ts';
import type { AnyType } from '../src/protocol/schema.ts';
import { Reader, Writer } from '../src/protocol/wire.ts';
import { simulatedPorts, type SimulatedPorts } from '../src/runtime/simulated-ports.ts';
import { Forwarding } from '../src/broker/forwarding.ts';
import { PeerUnavailable, type Peers } from '../src/rpc/peers.ts';
import { TransactionCoordinator } from '../src/transactions/transaction-coordinator.ts';
import { Operations, Resources } from '../src/security/authorizer.ts';

/** True: allowed. Called with Kafka's names, for example ('DESCRIBE', 'TOPIC', 'orders'). */
export type Permit = (operation: string, resource: string, name: string) => boolean;

export interface BrokerBench {
  readonly ports: SimulatedPorts;
  readonly store: MetadataStore;
  readonly image: ClusterImage;
  readonly controller: Controller;
  readonly services: Services;
  readonly logLevels: LogLevels;
  permit: Permit;
  /** Calls a handler with a body as at `version`; answers the decoded response. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  call(handler: Handler, version: number, body: object, context?: Partial<RequestContext>): Promise<any>;
  /** Another broker, registered from outside; `alive: false` for one that is gone. */
  addBroker(nodeId: number, options?: { rack?: string; alive?: boolean; listener?: string }): Promise<void>;
  createTopic(name: string, numPartitions?: number, configs?: Record<string, string>): Promise<void>;
}

export interface BrokerBenchOptions {
  readonly nodeId?: number;
  readonly configs?: Readonly<Record<string, string>>;
  readonly seed?: number;
}

export const LISTENER = 'PLAINTEXT';
const SESSION_TTL_MS = 9_000;

export async function brokerBench(options: BrokerBenchOptions = {}): Promise<BrokerBench> {
  const { nodeId = 1, configs = {}, seed = 1 } = options;
  const ports = simulatedPorts({ seed });
  const store = memoryStore(ports);
  const image = new ClusterImage();
  await follow(store, image, ports);
  const statics = new Map(Object.entries(configs));
  const brokerConfigs = () => brokerConfigSources(image, nodeId, statics);
  const settings = () => {
    const result = brokerSettings(brokerConfigs());
    if (!result.ok) throw new Error(result.errors.join('; '));
    return result.settings;
  };
  const { random, clock, logger } = ports;
  const controller = new Controller({ store, image, nodeId, random, clock, logger, brokerConfigs });
  await controller.createCluster();
  const session = await store.session(SESSION_TTL_MS);
  await controller.registerBroker(registration(nodeId), session, true);
  await controller.claim(session);
  const levels = logLevels('INFO', () => {});
  const topicCreation = new TopicCreation({ controller, image, settings, brokerConfigs, logger });
  const bench: BrokerBench = {
    ports,
    store,
    image,
    controller,
    logLevels: levels,
    permit: () => true,
    services: undefined as never,
    call: (handler, version, body, context) => call(services, handler, version, body, context),
    async addBroker(id, { rack, alive = true, listener } = {}) {
      const other = await store.session(SESSION_TTL_MS);
      await controller.registerBroker({ ...registration(id, listener), rack: rack ?? null }, other, false);
      if (!alive) await other.close();
    },
    async createTopic(name, numPartitions = 1, topicConfigs = {}) {
      const entries = Object.entries(topicConfigs).map(([key, value]) => ({ name: key, value }));
      const topic = { name, numPartitions, replicationFactor: -1, assignments: [], configs: entries };
      const [result] = await controller.createTopics([topic]);
      if (result.errorCode !== 0) throw new Error(`${name}: ${result.errorMessage}`);
    },
  };
  const producerIds = new ProducerIds(() => controller.allocateProducerIds());
  const peers: Peers = {
    request: (id) => Promise.reject(new PeerUnavailable(id, 'it stands alone', { wasSent: false })),
  };
  const timeoutMsMax = () => settings().network.requestTimeoutMs;
  const forwarding = new Forwarding({ image, controller, peers, ports, nodeId, handlers: [], timeoutMsMax });
  const services = {
    mayBeFenced: () => false,
    ports,
    nodeId,
    settings,
    brokerConfigs,
    image,
    controller,
    topicCreation,
    peers,
    forwarding,
    producerIds,
    logLevels: levels,
    // It leads nothing: requests for a transactional id find no coordinator here.
    transactions: new TransactionCoordinator({
      ports,
      settings,
      partitionCount: () => settings().transactions.topic.numPartitions,
      transactionVersion: () => 2,
      producerIds,
      markers: { write: () => Promise.resolve(Errors.NOT_LEADER_OR_FOLLOWER) },
    }),
    authorizer: {
      authorize: (_principal, _host, operation, resourceType, name) =>
        bench.permit(nameOf(Operations, operation), nameOf(Resources, resourceType), name),
    },
  } as Partial<Services> as Services;
  return Object.assign(bench, { services });
}

function registration(nodeId: number, listener = LISTENER) {
  const endpoint: Endpoint = {
    listener,
    host: `host${nodeId}`,
    port: 9_000 + nodeId,
    securityProtocol: 'PLAINTEXT',
  };
  const incarnationId = `incarnation ${String(nodeId).padStart(4, '0')}`;
  return { nodeId, incarnationId, rack: null, endpoints: [endpoint], directories: [directoryOf(nodeId)] };
}

/** The id of the one log directory of a bench's broker. */
export function directoryOf(nodeId: number): string {
  return `directory   ${String(nodeId).padStart(4, '0')}`;
}

function nameOf(names: Readonly<Record<string, number>>, code: number): string {
  return Object.entries(names).find(([, value]) => value === code)?.[0] ?? String(code);
}

async function call(
  services: Services,
  handler: Handler,
  version: number,
  body: object,
  overrides: Partial<RequestContext> = {},
): Promise<unknown> {
  const { api } = handler;
  const context: RequestContext = {
    apiKey: api.key,
    apiVersion: version,
    correlationId: 1,
    clientId: 'bench',
    listener: LISTENER,
    principal: ANONYMOUS,
    clientHost: '127.0.0.1',
    clientSoftware: UNKNOWN_SOFTWARE,
    connectionId: 'bench',
    forwardedBy: undefined,
    onSent: undefined,
    connection: {
      listener: LISTENER,
      principal: ANONYMOUS,
      clientSoftware: UNKNOWN_SOFTWARE,
      fetchTurns: 0,
      sendsRegions: true,
    },
    onDisconnect: () => () => {},
    ...overrides,
  };
  const request = new Writer();
  codec(api.request, version).write(request, complete(api.request, body));
  const decoded = codec(api.request, version).read(new Reader(request.toBuffer()));
  let reply: unknown;
  try {
    reply = await handler.handle(decoded, context, services);
  } catch (error) {
    const failure = failureOf(error);
    if (failure.code === -1) throw error;
    reply = errorResponse(api, version, decoded, failure);
  }
  const response = new Writer();
  codec(api.response, version).write(response, reply);
  return codec(api.response, version).read(new Reader(response.toBuffer()));
}

/** The value with the defaults of all fields that it leaves out. */
export function complete(type: AnyType, value: unknown): unknown {
  if (value === null) return null;
  if (type.kind === 'array') return (value as unknown[]).map((one) => complete(type.of!, one));
  if (type.kind !== 'struct') return value;
  const given = value as Readonly<Record<string, unknown>>;
  const fields = Object.entries(type.fields!);
  return Object.fromEntries(
    fields.map(([name, field]) => [name, name in given ? complete(field, given[name]) : field.zero]),
  );
}
