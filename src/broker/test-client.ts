/**
 * For tests: a whole broker on simulated ports, and a client that speaks frames to it. Time is virtual, so what a test
 * waits for happens at once, and a long poll of ten seconds costs nothing.
 */
import { Errors } from '../protocol/errors.ts';
import { apiOf } from '../protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../protocol/frame.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import { ProduceRequest, ProduceResponse } from '../protocol/messages/00-produce.ts';
import { buildBatch, type NewBatch } from '../protocol/records.ts';
import type { Message, Write } from '../protocol/schema.ts';
import type { Connection } from '../base/ports.ts';
import { FrameCutter } from '../rpc/frame-cutter.ts';
import type { SimulatedTime } from '../runtime/simulated-clock.ts';
import type { SimulatedDiskOptions } from '../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import type { Authorizer } from '../security/authorizer.ts';
import { startBroker, type Broker } from './broker.ts';

const FRAME_BYTES_MAX = 256 * 1024 * 1024;

export class TestClient {
  readonly connection: Connection;
  clientId: string | null = 'test';
  isClosed = false;
  readonly #world: { readonly ports: { readonly time: SimulatedTime } };
  readonly #cutter = new FrameCutter({ sizeBytesMax: FRAME_BYTES_MAX });
  readonly #answers = new Map<number, (frame: Buffer) => void>();
  /** Correlation ids in the order in which answers came. */
  readonly answered: number[] = [];
  #correlationId = 0;

  constructor(connection: Connection, world: { readonly ports: { readonly time: SimulatedTime } }) {
    this.connection = connection;
    this.#world = world;
    connection.onData = (chunk) => {
      this.#cutter.push(chunk);
      for (let frame = this.#cutter.next(); frame !== undefined; frame = this.#cutter.next()) {
        const correlationId = frame.bytes.readInt32BE(0);
        this.answered.push(correlationId);
        this.#answers.get(correlationId)?.(Buffer.from(frame.bytes));
      }
      this.#cutter.keep();
    };
    connection.onClose = () => {
      this.isClosed = true;
    };
  }

  /** Sends, and resolves with the decoded answer whenever it comes. */
  send<Q, QW, P, PW>(
    request: Message<Q, QW>,
    response: Message<P, PW>,
    version: number,
    body: QW,
  ): { readonly correlationId: number; readonly answer: Promise<P> } {
    const api = apiOf(request.key)!;
    this.#correlationId += 1;
    const correlationId = this.#correlationId;
    const answer = new Promise<P>((resolve) => {
      this.#answers.set(correlationId, (frame) => {
        this.#answers.delete(correlationId);
        resolve(decodeResponse({ ...api, response }, version, frame).body as P);
      });
    });
    const { clientId } = this;
    this.connection.write(encodeRequest(api, { version, correlationId, clientId, body }));
    return { correlationId, answer };
  }

  /** Sends, and lets time go on until the answer is there. */
  async request<Q, QW, P, PW>(
    request: Message<Q, QW>,
    response: Message<P, PW>,
    version: number,
    body: QW,
  ): Promise<P> {
    return this.#world.ports.time.settle(this.send(request, response, version, body).answer, 120_000);
  }

  // --- The requests that most tests need

  async createTopic(
    name: string,
    options: { readonly numPartitions?: number; readonly configs?: Readonly<Record<string, string>> } = {},
  ): Promise<string> {
    const configs = Object.entries(options.configs ?? {}).map(([key, value]) => ({ name: key, value }));
    const { topics } = await this.request(CreateTopicsRequest, CreateTopicsResponse, 7, {
      topics: [
        { name, numPartitions: options.numPartitions ?? 1, replicationFactor: 1, assignments: [], configs },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    if (topics[0]!.errorCode !== Errors.NONE)
      throw new Error(`${topics[0]!.errorCode} ${topics[0]!.errorMessage}`);
    return topics[0]!.topicId;
  }

  async produce(
    topic: string,
    records: Buffer | null,
    options: { readonly partition?: number; readonly acks?: number; readonly version?: number } = {},
  ): Promise<ProduceResponse['responses'][number]['partitionResponses'][number]> {
    const { partition = 0, acks = -1, version = 12 } = options;
    const answer = await this.request(
      ProduceRequest,
      ProduceResponse,
      version,
      produceBody(topic, [[partition, records]], acks),
    );
    return answer.responses[0]!.partitionResponses[0]!;
  }

  async fetch(
    topic: string,
    fetchOffset: number,
    options: Partial<FetchOptions> = {},
  ): Promise<FetchResponse['responses'][number]['partitions'][number]> {
    const answer = await this.request(
      FetchRequest,
      FetchResponse,
      options.version ?? 12,
      fetchBody(topic, fetchOffset, options),
    );
    return answer.responses[0]!.partitions[0]!;
  }

  async listOffset(
    topic: string,
    timestamp: number,
    options: {
      readonly version?: number;
      readonly isolationLevel?: number;
      readonly currentLeaderEpoch?: number;
    } = {},
  ): Promise<ListOffsetsResponse['topics'][number]['partitions'][number]> {
    const { version = 8, isolationLevel = 0, currentLeaderEpoch = -1 } = options;
    const answer = await this.request(ListOffsetsRequest, ListOffsetsResponse, version, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, currentLeaderEpoch, timestamp }] }],
      timeoutMs: 1000,
    });
    return answer.topics[0]!.partitions[0]!;
  }
}

export interface FetchOptions {
  readonly version: number;
  readonly partition: number;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
  readonly isolationLevel: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly replicaId: number;
}

export function fetchBody(
  topic: string,
  fetchOffset: number,
  options: Partial<FetchOptions> = {},
): Write<typeof FetchRequest> {
  const {
    partition = 0,
    currentLeaderEpoch = -1,
    lastFetchedEpoch = -1,
    partitionMaxBytes = 1 << 20,
  } = options;
  return {
    replicaId: options.replicaId ?? -1,
    maxWaitMs: options.maxWaitMs ?? 0,
    minBytes: options.minBytes ?? 1,
    maxBytes: options.maxBytes ?? 50 << 20,
    isolationLevel: options.isolationLevel ?? 0,
    topics: [
      {
        topic,
        topicId: '\0'.repeat(16),
        partitions: [{ partition, currentLeaderEpoch, fetchOffset, lastFetchedEpoch, partitionMaxBytes }],
      },
    ],
    forgottenTopicsData: [],
  };
}

export function produceBody(
  topic: string,
  partitions: readonly (readonly [number, Buffer | null])[],
  acks = -1,
): Write<typeof ProduceRequest> {
  return {
    transactionalId: null,
    acks,
    timeoutMs: 10_000,
    topicData: [
      {
        name: topic,
        topicId: '\0'.repeat(16),
        partitionData: partitions.map(([index, records]) => ({ index, records })),
      },
    ],
  };
}

/** One batch with these values, all with one timestamp. */
export function batchOf(
  values: readonly string[],
  options: Partial<NewBatch> & { timestamp?: number } = {},
): Buffer {
  const { timestamp = START_MS, ...rest } = options;
  return buildBatch({
    records: values.map((value) => ({ key: null, value: Buffer.from(value), timestamp })),
    ...rest,
  });
}

/** The simulated clock's beginning. */
export const START_MS = Date.UTC(2026, 0, 1);

export class TestWorld {
  ports: SimulatedPorts;
  broker!: Broker;
  /** Taken at the next start. */
  authorizer: Authorizer | undefined;
  readonly configs: ReadonlyMap<string, string>;
  #clients = 0;

  constructor(configs: Readonly<Record<string, string>>, disk: Partial<SimulatedDiskOptions> = {}) {
    this.ports = simulatedPorts({ seed: 7, host: 'broker', disk });
    this.configs = new Map(Object.entries({ listeners: 'PLAINTEXT://127.0.0.1:19092', ...configs }));
  }

  async start(): Promise<void> {
    this.broker = await this.ports.time.settle(
      startBroker({
        ports: this.ports,
        configs: this.configs,
        ...(this.authorizer === undefined ? undefined : { authorizer: this.authorizer }),
      }),
    );
  }

  async connect(): Promise<TestClient> {
    this.#clients += 1;
    const network = this.ports.wires.port(`client${this.#clients}`, this.ports.process);
    const { port } = this.broker.address;
    return new TestClient(await this.ports.time.settle(network.connect('broker', port)), this);
  }

  /** Stops cleanly, or dies, and starts again on the same disk. */
  async restart(options: { readonly kill?: boolean } = {}): Promise<void> {
    if (options.kill !== true) await this.ports.time.settle(this.broker.stop());
    this.ports = this.ports.restart('lose');
    await this.start();
  }

  async stop(): Promise<void> {
    await this.ports.time.settle(this.broker.stop());
  }
}

/** A running broker, and a client that is connected to it. */
export async function testWorld(
  configs: Readonly<Record<string, string>> = {},
  disk: Partial<SimulatedDiskOptions> = {},
): Promise<{ world: TestWorld; client: TestClient }> {
  const world = new TestWorld(configs, disk);
  await world.start();
  return { world, client: await world.connect() };
}
