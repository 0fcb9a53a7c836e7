/**
 * A client of a whole cluster: each request goes to the broker that it is for, as far as this client knows, and what it
 * knows may be old: it asks again when a broker says that it is not the one, or when nothing is heard. A fetch is split by
 * leaders. Actors see one broker that knows everything, and now and then does not answer.
 *
 * As Kafka's clients (KIP-320) it never goes back to an older leader epoch, and says which one it expects. Who reads what a
 * group has committed asks the coordinator that is one, and not one that was: that one answers from what it knew.
 */
import type { Network } from '../../../src/base/ports.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/03-metadata.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import type { ListOffsetsRequest } from '../../../src/protocol/messages/02-list-offsets.ts';
import type { Message } from '../../../src/protocol/schema.ts';
import type { SimulatedTime } from '../../../src/runtime/simulated-clock.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Asking, Call } from '../asking.ts';
import { SimClient, UnknownOutcome, type Wire } from '../client.ts';
import { answersOf, coordinatorKeyOf, mergeAnswers, placesOf, splitFetch, type Fetch } from './routes.ts';

const OFFSET_FETCH = 9;
const LIMITS_MS = { request: 2_500, connect: 1_000 };

export interface RoutingOptions {
  readonly name: string;
  readonly time: SimulatedTime;
  readonly network: Network;
  readonly random: SimulatedRandom;
  readonly nodes: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  /** The newest epoch of each partition that was heard of; members of a group share it, as they do offsets. */
  readonly epochs: Map<string, number>;
  /** Who coordinates the group; -1: nobody. */
  readonly groupCoordinator: (groupId: string) => number;
}

interface Leader {
  readonly nodeId: number;
  readonly epoch: number;
}

/** What brokers say who are not the one that was meant. */
const ELSEWHERE: ReadonlySet<number> = new Set([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.LEADER_NOT_AVAILABLE,
  Errors.FENCED_LEADER_EPOCH,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.UNKNOWN_LEADER_EPOCH,
  Errors.OFFSET_OUT_OF_RANGE,
  Errors.KAFKA_STORAGE_ERROR,
]);
const NO_COORDINATOR: ReadonlySet<number> = new Set([
  Errors.NOT_COORDINATOR,
  Errors.COORDINATOR_NOT_AVAILABLE,
]);

export class RoutingClient implements Asking {
  readonly name: string;
  readonly #random: SimulatedRandom;
  readonly #clients = new Map<number, SimClient>();
  readonly #options: RoutingOptions;
  readonly #topicIds = new Map<string, string>();
  /** By topic id and partition. */
  readonly #leaders = new Map<string, Leader>();
  readonly #coordinators = new Map<string, number>();
  readonly #owners = new WeakMap<Wire, SimClient>();
  #refreshing: Promise<void> | undefined;

  constructor(options: RoutingOptions) {
    const { name, time, network, random, nodes } = options;
    this.#options = options;
    this.name = name;
    this.#random = random;
    for (const { nodeId, host, port } of nodes) {
      this.#clients.set(nodeId, new SimClient({ name, time, network, host, port, limitsMs: LIMITS_MS }));
    }
  }

  async request<Q, QW, P, PW>(
    request: Message<Q, QW>,
    response: Message<P, PW>,
    version: number,
    body: QW,
    timeoutMs?: number,
  ): Promise<P> {
    const call: Call<Q, QW, P, PW> = {
      request,
      response,
      version,
      body,
      ...(timeoutMs === undefined ? undefined : { timeoutMs }),
    };
    if (request.key === 1) return this.#fetch(call);
    const nodeId = await this.#brokerFor(call);
    if (request.key === 2) this.#expectEpochs(body as ListOffsetsRequest);
    return this.#ask(nodeId, call);
  }

  async connect({ topic, partition }: { topic: string; partition: number }): Promise<Wire> {
    const client = this.#client((await this.#leaderOf(topic, partition)).nodeId);
    try {
      const wire = await client.connect();
      this.#owners.set(wire, client);
      return wire;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  send<Q, QW, P, PW>(wire: Wire, call: Call<Q, QW, P, PW>): Promise<P> {
    return this.#learnFrom(this.#owners.get(wire)!.send(wire, call));
  }

  disconnect(): void {
    for (const client of this.#clients.values()) client.disconnect();
    this.#forget();
  }

  everyBroker(): number[] {
    return [...this.#clients.keys()];
  }

  /** Asks this broker, whatever it is. */
  askBroker<Q, QW, P, PW>(nodeId: number, call: Call<Q, QW, P, PW>): Promise<P> {
    const { request, response, version, body, timeoutMs } = call;
    return this.#client(nodeId).request(request, response, version, body, timeoutMs);
  }

  #ask<Q, QW, P, PW>(nodeId: number, call: Call<Q, QW, P, PW>): Promise<P> {
    return this.#learnFrom(this.askBroker(nodeId, call));
  }

  async #learnFrom<P>(answer: Promise<P>): Promise<P> {
    try {
      const body = await answer;
      for (const errorCode of answersOf(body)) {
        if (ELSEWHERE.has(errorCode)) this.#leaders.clear();
        if (NO_COORDINATOR.has(errorCode)) this.#coordinators.clear();
      }
      return body;
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#leaders.clear();
    this.#coordinators.clear();
  }

  async #brokerFor<Q, QW, P, PW>(call: Call<Q, QW, P, PW>): Promise<number> {
    const { key } = call.request;
    const coordinated = coordinatorKeyOf(key, call.body);
    if (key === OFFSET_FETCH) return this.#trueCoordinatorOf(coordinated!.key);
    if (coordinated !== undefined) return this.#coordinatorOf(coordinated.type, coordinated.key);
    const [place] = placesOf(key, call.body);
    return place === undefined ? this.#any() : (await this.#leaderOf(place.topic, place.partition)).nodeId;
  }

  #trueCoordinatorOf(groupId: string): number {
    const nodeId = this.#options.groupCoordinator(groupId);
    if (nodeId < 0) throw new UnknownOutcome(`nobody coordinates ${groupId}`);
    return nodeId;
  }

  #expectEpochs({ topics }: ListOffsetsRequest): void {
    for (const { name, partitions } of topics) {
      for (const partition of partitions) {
        const leader = this.#leaders.get(this.#placeOf(name, partition.partitionIndex));
        partition.currentLeaderEpoch = leader?.epoch ?? -1;
      }
    }
  }

  async #fetch<Q, QW, P, PW>(call: Call<Q, QW, P, PW>): Promise<P> {
    const parts = await splitFetch(call.body as Fetch, (topic, partition) =>
      this.#leaderOf(topic, partition).catch(() => undefined),
    );
    if (parts.size === 0) throw new UnknownOutcome('nobody leads what is to be read');
    const answers = await Promise.allSettled(
      [...parts].map(([nodeId, body]) => this.#ask(nodeId, { ...call, body: body as QW })),
    );
    return mergeAnswers(answers) as P;
  }

  // --- Who is who

  #any(): number {
    const ids = this.everyBroker();
    return ids[this.#random.integer(ids.length)]!;
  }

  #client(nodeId: number): SimClient {
    return this.#clients.get(nodeId)!;
  }

  /** `topic`: its name or its id. */
  #placeOf(topic: string, partition: number): string {
    return `${this.#topicIds.get(topic) ?? topic} ${partition}`;
  }

  async #leaderOf(topic: string, partition: number): Promise<Leader> {
    if (!this.#leaders.has(this.#placeOf(topic, partition))) {
      this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
      await this.#refreshing;
    }
    const leader = this.#leaders.get(this.#placeOf(topic, partition));
    if (leader !== undefined && leader.nodeId >= 0) return leader;
    this.#leaders.clear();
    throw new UnknownOutcome(`nobody leads ${topic}-${partition}`);
  }

  async #refresh(): Promise<void> {
    const { topics } = await this.askBroker(this.#any(), {
      request: MetadataRequest,
      response: MetadataResponse,
      version: 12,
      body: {
        topics: null,
        allowAutoTopicCreation: false,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      },
    });
    const { epochs } = this.#options;
    for (const { name, topicId, partitions } of topics) {
      this.#topicIds.set(name!, topicId);
      for (const { partitionIndex, leaderId, leaderEpoch } of partitions) {
        const place = `${topicId} ${partitionIndex}`;
        if (leaderEpoch < (epochs.get(place) ?? -1)) continue;
        epochs.set(place, leaderEpoch);
        this.#leaders.set(place, { nodeId: leaderId, epoch: leaderEpoch });
      }
    }
  }

  async #coordinatorOf(type: number, key: string): Promise<number> {
    const name = `${type} ${key}`;
    const known = this.#coordinators.get(name);
    if (known !== undefined) return known;
    const { coordinators } = await this.askBroker(this.#any(), {
      request: FindCoordinatorRequest,
      response: FindCoordinatorResponse,
      version: 4,
      body: { key: '', keyType: type, coordinatorKeys: [key] },
    });
    const { errorCode, nodeId } = coordinators[0]!;
    if (errorCode !== Errors.NONE) throw new UnknownOutcome(`no coordinator of ${key}: ${errorCode}`);
    this.#coordinators.set(name, nodeId);
    return nodeId;
  }
}
