/**
 * For tests: brokers that answer what a test says, on simulated wires. They know the versions, the metadata and producer ids by
 * themselves; any API's answers can be replaced, held back, or exchanged for a broken connection. And a client's
 * ports beside it.
 */
import type { Connection } from '../base/ports.ts';
import { APIS, apiOf } from '../protocol/apis.ts';
import { decodeRequest, encodeResponse, peekPrefix } from '../protocol/frame.ts';
import { FrameCutter } from '../rpc/frame-cutter.ts';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedNetwork } from '../runtime/simulated-network.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { silentLogger } from '../runtime/logger.ts';
import type { ClientPorts } from './options.ts';

/** What a handler yields for a request that is to break the connection, or to remain without an answer. */
export const BREAK = Symbol('break');
export const SILENCE = Symbol('silence');

export interface Asked {
  readonly nodeId: number;
  readonly key: number;
  readonly version: number;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}
export type Handler = (asked: Asked) => object | typeof BREAK | typeof SILENCE | Promise<object>;

export interface TestTopic {
  id: string;
  /** By partition. */
  leaders: number[];
  leaderEpoch: number;
}

const FRAME_BYTES_MAX = 1 << 28;
const PORT = 9092;

export class TestCluster {
  readonly time: SimulatedTime;
  readonly wires: SimulatedNetwork;
  readonly topics = new Map<string, TestTopic>();
  readonly handlers = new Map<number, Handler>();
  /** All requests, in the order in which they came. */
  readonly asked: Asked[] = [];
  /** The newest version offered, by API key. */
  readonly versionMax = new Map<number, number>();
  /** In which version a request is answered. */
  answerVersion: (asked: Asked) => number = ({ version }) => version;
  readonly #brokerCount: number;
  readonly #seed: number;
  #clients = 0;
  #producerIds = 0;

  constructor(options: { readonly brokerCount?: number; readonly seed?: number } = {}) {
    this.#brokerCount = options.brokerCount ?? 1;
    this.#seed = options.seed ?? 1;
    this.time = new SimulatedTime({ seed: this.#seed });
    this.wires = new SimulatedNetwork({ time: this.time, seed: this.#seed });
    for (let nodeId = 0; nodeId < this.#brokerCount; nodeId++) {
      const process = new SimulatedProcess(this.time);
      const network = this.wires.port(`b${nodeId}`, process);
      void network.listen({ host: `b${nodeId}`, port: PORT }, (connection) =>
        this.#serve(nodeId, connection),
      );
    }
    this.handlers.set(18, () => this.#versions());
    this.handlers.set(3, ({ body }) => this.#metadata(body));
    this.handlers.set(22, () => ({
      throttleTimeMs: 0,
      errorCode: 0,
      producerId: 1000 + this.#producerIds++,
      producerEpoch: 0,
    }));
  }

  get bootstrap(): string {
    return `b0:${PORT}`;
  }

  topic(name: string, leaders: number[] = [0]): TestTopic {
    const topic = { id: name.padEnd(16, '.').slice(0, 16), leaders, leaderEpoch: 5 };
    this.topics.set(name, topic);
    return topic;
  }

  /** The world of one more client. */
  clientPorts(): ClientPorts {
    return clientPorts({ time: this.time, wires: this.wires }, `client${this.#clients++}`);
  }

  /** The bodies of all requests with this key. */
  // oxlint-disable-next-line typescript/no-explicit-any
  requests(key: number): any[] {
    return this.asked.filter((one) => one.key === key).map((one) => one.body);
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.time.settle(promise);
  }

  #serve(nodeId: number, connection: Connection): void {
    const cutter = new FrameCutter({ sizeBytesMax: FRAME_BYTES_MAX });
    let turn = Promise.resolve();
    connection.onData = (chunk) => {
      cutter.push(chunk);
      for (let frame = cutter.next(); frame !== undefined; frame = cutter.next()) {
        const bytes = Buffer.from(frame.bytes);
        turn = turn.then(() => this.#answer(nodeId, connection, bytes));
      }
      cutter.keep();
    };
  }

  async #answer(nodeId: number, connection: Connection, frame: Buffer): Promise<void> {
    const { apiKey: key, apiVersion: version, correlationId } = peekPrefix(frame);
    const api = apiOf(key)!;
    const { body } = decodeRequest(api, version, frame);
    const asked = { nodeId, key, version, body };
    this.asked.push(asked);
    const handler = this.handlers.get(key);
    if (handler === undefined) throw new Error(`the test has no answer to ${api.name}`);
    const answer = await handler(asked);
    if (answer === SILENCE) return;
    if (answer === BREAK) connection.destroy();
    else connection.write(encodeResponse(api, this.answerVersion(asked), correlationId, answer));
  }

  #versions(): object {
    const apiKeys = APIS.filter((api) => !api.isControllerOnly).map((api) => ({
      apiKey: api.key,
      minVersion: api.versionMin,
      maxVersion: this.versionMax.get(api.key) ?? api.versionMax,
    }));
    return { errorCode: 0, apiKeys, throttleTimeMs: 0 };
  }

  #metadata(body: { topics: { name: string | null }[] | null }): object {
    const names = body.topics?.map(({ name }) => name!) ?? [...this.topics.keys()];
    return {
      throttleTimeMs: 0,
      brokers: Array.from({ length: this.#brokerCount }, (_, nodeId) => ({
        nodeId,
        host: `b${nodeId}`,
        port: PORT,
        rack: null,
      })),
      clusterId: 'test',
      controllerId: 0,
      topics: names.map((name) => {
        const topic = this.topics.get(name);
        if (topic === undefined) return { errorCode: 3, name, topicId: '\0'.repeat(16), partitions: [] };
        const { id, leaders, leaderEpoch } = topic;
        const partitions = leaders.map((leaderId, partitionIndex) => ({
          errorCode: leaderId < 0 ? 5 : 0,
          partitionIndex,
          leaderId,
          leaderEpoch,
          replicaNodes: [0],
          isrNodes: [0],
          offlineReplicas: [],
        }));
        return { errorCode: 0, name, topicId: id, isInternal: false, partitions };
      }),
      errorCode: 0,
    };
  }
}

/** A process of its own on a host of its own. */
export function clientPorts(
  world: { readonly time: SimulatedTime; readonly wires: SimulatedNetwork },
  host: string,
): ClientPorts {
  const process = new SimulatedProcess(world.time);
  return {
    clock: process.clock,
    timers: process.timers,
    random: new SimulatedRandom(host),
    network: world.wires.port(host, process),
    logger: silentLogger(),
  };
}
