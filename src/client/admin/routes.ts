/**
 * Whom an administrator's question goes to (any broker, the controller, a leader, a coordinator), and repeating it
 * while that helps.
 */
import { Errors } from '../../protocol/errors.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { BrokerLink, Call } from '../connection/broker-link.ts';
import type { Lane } from '../connection/brokers.ts';
import type { ClientCore } from '../core.ts';
import { MetadataRequest, MetadataResponse } from '../../protocol/messages/03-metadata.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { brokerError, connectionError, type KafkaError } from '../errors.ts';
import { Coordinator, type CoordinatorKind } from '../group/coordinator.ts';
import { apart, type Outcome } from './items.ts';

/** An error in an answer, and what it is about. */
export interface Fault {
  readonly code: number;
  readonly about: string;
  readonly message?: string | null | undefined;
}

/** The answer's first error; undefined when all is well. */
export type FaultOf<R> = (answer: R) => Fault | undefined;

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
}

/** After these the controller, or the leader, is another than the picture of the cluster says. */
const PICTURE_IS_OLD: ReadonlySet<number> = new Set([
  Errors.NOT_CONTROLLER,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.LEADER_NOT_AVAILABLE,
  Errors.FENCED_LEADER_EPOCH,
  Errors.UNKNOWN_LEADER_EPOCH,
]);
/** They pass by themselves elsewhere, but to who administers them they are answers. */
const IS_ANSWER: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.ELECTION_NOT_NEEDED,
  Errors.PREFERRED_LEADER_NOT_AVAILABLE,
  Errors.ELIGIBLE_LEADERS_NOT_AVAILABLE,
]);

/** More are forgotten and found again. */
const COORDINATORS_MAX = 1_000;

export class Routes {
  readonly core: ClientCore;
  readonly #lane: Lane;
  readonly #coordinators = new Map<string, Coordinator>();

  constructor(core: ClientCore) {
    this.core = core;
    this.#lane = core.newLane('group');
  }

  // Once, to whom it concerns. Errors: KafkaError.

  askAny<W, R>(call: Call<W, R>): Promise<R> {
    return this.core.metadata.askAny((link) => link.ask(call));
  }

  /** Brokers pass on what is for the controller; the one that is called so is one step less. */
  async askController<W, R>(call: Call<W, R>): Promise<R> {
    const { metadata, brokers } = this.core;
    if (metadata.controllerId < 0) await metadata.refresh();
    if (!brokers.isKnown(metadata.controllerId)) return this.askAny(call);
    return brokers.link(metadata.controllerId, 'control').ask(call);
  }

  async askBroker<W, R>(nodeId: number, call: Call<W, R>): Promise<R> {
    const { metadata, brokers } = this.core;
    if (!brokers.isKnown(nodeId)) await metadata.refresh();
    return brokers.link(nodeId, 'control').ask(call);
  }

  // The same, repeated while the failure is one that passes.

  any<W, R>(call: Call<W, R>, faultOf: FaultOf<R>, options?: AskOptions): Promise<R> {
    return this.#repeat(() => this.askAny(call), faultOf, options);
  }

  controller<W, R>(call: Call<W, R>, faultOf: FaultOf<R>, options?: AskOptions): Promise<R> {
    return this.#repeat(() => this.askController(call), faultOf, options);
  }

  /** The brokers that are alive, by number, as the cluster sees it now. */
  async nodeIds(): Promise<number[]> {
    await this.core.metadata.refresh();
    return this.core.brokers.nodeIds.sort((a, b) => a - b);
  }

  coordinator(key: string, kind: CoordinatorKind = 'group'): Coordinator {
    const name = `${kind} ${key}`;
    let coordinator = this.#coordinators.get(name);
    if (coordinator !== undefined) return coordinator;
    if (this.#coordinators.size >= COORDINATORS_MAX) this.#coordinators.clear();
    coordinator = new Coordinator({ core: this.core, kind, key, lane: this.#lane });
    this.#coordinators.set(name, coordinator);
    return coordinator;
  }

  /**
   * Asks the leader of each partition that is named, once; in the order of the questions. The leaders are asked for each
   * time, so that nothing old is believed.
   */
  async leaders<Q extends { readonly topic: string; readonly partition: number }, T>(
    questions: readonly Q[],
    ask: (link: BrokerLink, questions: readonly Q[]) => Promise<readonly Outcome<T>[]>,
  ): Promise<Outcome<T>[]> {
    const outcomes = new Map<Q, Outcome<T>>();
    const byLeader = new Map<number, Q[]>();
    const leaderOf = await this.#leaders([...new Set(questions.map(({ topic }) => topic))]);
    for (const one of questions) {
      const found = leaderOf(one);
      if (found.code !== Errors.NONE) {
        outcomes.set(one, { error: brokerError(found.code, `${one.topic}-${one.partition}`) });
        continue;
      }
      const ofLeader = byLeader.get(found.leader) ?? [];
      byLeader.set(found.leader, ofLeader);
      ofLeader.push(one);
    }
    const { brokers } = this.core;
    const answers = await apart([...byLeader], async ([leader, list]) => ({
      value: await ask(brokers.link(leader, 'control'), list),
    }));
    [...byLeader.values()].forEach((list, n) => {
      const answer = answers[n]!;
      list.forEach((one, at) => outcomes.set(one, 'value' in answer ? answer.value[at]! : answer));
    });
    return questions.map((one) => outcomes.get(one)!);
  }

  /** Who leads what; learns of the brokers in the same answer. */
  async #leaders(
    names: readonly string[],
  ): Promise<
    (of: { topic: string; partition: number }) => { readonly code: number; readonly leader: number }
  > {
    // Brokers that are known by number are spoken to as those of a cluster (KIP-1242), whose id must be known then.
    if (this.core.clusterId === null) await this.core.metadata.refresh();
    const { topics, brokers } = await this.core.metadata.askAny((link) =>
      link.ask({
        request: MetadataRequest,
        response: MetadataResponse,
        body: () => ({
          topics: names.map((name) => ({ topicId: ZERO_UUID, name })),
          allowAutoTopicCreation: false,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: false,
        }),
      }),
    );
    for (const { nodeId, host, port, rack } of brokers) this.core.brokers.learn({ nodeId, host, port, rack });
    const byName = new Map(topics.map((topic) => [topic.name, topic]));
    return ({ topic, partition }) => {
      const found = byName.get(topic);
      if (found === undefined) return { code: Errors.UNKNOWN_TOPIC_OR_PARTITION, leader: -1 };
      if (found.errorCode !== Errors.NONE) return { code: found.errorCode, leader: -1 };
      const own = found.partitions.find(({ partitionIndex }) => partitionIndex === partition);
      if (own === undefined) return { code: Errors.UNKNOWN_TOPIC_OR_PARTITION, leader: -1 };
      const code = own.leaderId < 0 ? Errors.LEADER_NOT_AVAILABLE : Errors.NONE;
      return { code, leader: own.leaderId };
    };
  }

  /** Whether the same question may have another answer soon. */
  passes(error: KafkaError): boolean {
    return error.retriable && !IS_ANSWER.has(error.code ?? 0);
  }

  /** Repeats the whole question while its failure is one that passes, for `callTimeoutMs`. */
  async repeat<T>(ask: () => Promise<T>, options: AskOptions = {}): Promise<T> {
    const { ports, settings, metadata } = this.core;
    const endMs = ports.clock.monotonicMs() + settings.callTimeoutMs;
    for (let failures = 1; ; failures++) {
      let failure: KafkaError;
      try {
        return await ask();
      } catch (error) {
        if (options.signal?.aborted === true) throw error;
        failure = connectionError(error, 'asking a broker');
      }
      if (!this.passes(failure)) throw failure;
      const waitMs = backoffMs(failures, settings, ports.random);
      if (ports.clock.monotonicMs() + waitMs > endMs) throw failure;
      await pause(ports.timers, waitMs, options.signal);
      if (PICTURE_IS_OLD.has(failure.code ?? 0)) await metadata.refresh();
    }
  }

  close(): void {
    this.core.brokers.closeLane(this.#lane);
  }

  #repeat<R>(ask: () => Promise<R>, faultOf: FaultOf<R>, options?: AskOptions): Promise<R> {
    return this.repeat(async () => {
      const answer = await ask();
      const fault = faultOf(answer);
      if (fault === undefined) return answer;
      const { code, about, message } = fault;
      const why = message === null || message === undefined || message === '' ? '' : `: ${message}`;
      throw brokerError(code, `${about}${why}`);
    }, options);
  }
}

/** The first of these that is an error. */
export function firstFault<T extends { readonly errorCode: number; readonly errorMessage?: string | null }>(
  list: readonly T[],
  about: (one: T) => string,
): Fault | undefined {
  const failed = list.find(({ errorCode }) => errorCode !== Errors.NONE);
  if (failed === undefined) return undefined;
  return { code: failed.errorCode, about: about(failed), message: failed.errorMessage };
}
