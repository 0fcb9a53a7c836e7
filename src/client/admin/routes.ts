/**
 * Whom an administrator's question goes to (any broker, the controller, a leader, a coordinator), and repeating it
 * while that helps.
 */
import { Errors } from '../../protocol/errors.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { BrokerLink, Call } from '../connection/broker-link.ts';
import type { Lane } from '../connection/brokers.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, type KafkaError } from '../errors.ts';
import { Coordinator } from '../group/coordinator.ts';
import type { TopicInfo } from '../metadata/cluster-view.ts';

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
]);

export class Routes {
  readonly core: ClientCore;
  readonly #lane: Lane;
  readonly #coordinators = new Map<string, Coordinator>();

  constructor(core: ClientCore) {
    this.core = core;
    this.#lane = core.newLane('group');
  }

  any<W, R>(call: Call<W, R>, faultOf: FaultOf<R>, options?: AskOptions): Promise<R> {
    return this.#repeat(() => this.core.metadata.askAny((link) => link.ask(call)), faultOf, options);
  }

  /** Brokers pass on what is for the controller; the one that is called so is one step less. */
  controller<W, R>(call: Call<W, R>, faultOf: FaultOf<R>, options?: AskOptions): Promise<R> {
    const { metadata, brokers } = this.core;
    const ask = async (): Promise<R> => {
      if (metadata.controllerId < 0) await metadata.refresh();
      if (!brokers.isKnown(metadata.controllerId)) return metadata.askAny((link) => link.ask(call));
      return brokers.link(metadata.controllerId, 'control').ask(call);
    };
    return this.#repeat(ask, faultOf, options);
  }

  async broker<W, R>(
    nodeId: number,
    call: Call<W, R>,
    faultOf: FaultOf<R>,
    options?: AskOptions,
  ): Promise<R> {
    const { metadata, brokers } = this.core;
    const ask = async (): Promise<R> => {
      if (!brokers.isKnown(nodeId)) await metadata.refresh();
      return brokers.link(nodeId, 'control').ask(call);
    };
    return this.#repeat(ask, faultOf, options);
  }

  coordinator(group: string): Coordinator {
    let coordinator = this.#coordinators.get(group);
    if (coordinator === undefined) {
      coordinator = new Coordinator({ core: this.core, kind: 'group', key: group, lane: this.#lane });
      this.#coordinators.set(group, coordinator);
    }
    return coordinator;
  }

  /** As the others, of a group's coordinator. */
  group<W, R>(group: string, call: Call<W, R>, faultOf: FaultOf<R>, options?: AskOptions): Promise<R> {
    const coordinator = this.coordinator(group);
    return this.#repeat(
      () => coordinator.ask(call, (answer) => faultOf(answer)?.code ?? Errors.NONE),
      faultOf,
      options,
    );
  }

  /** Topics as they are now. Errors: UNKNOWN_TOPIC_OR_PARTITION after `topicTimeoutMs`. */
  async topics(names: readonly string[], options: AskOptions = {}): Promise<TopicInfo[]> {
    const { metadata } = this.core;
    for (const name of names) metadata.want(name, { mayCreate: false });
    try {
      await metadata.refresh();
      return await Promise.all(names.map((name) => metadata.topic(name, options.signal)));
    } finally {
      for (const name of names) metadata.unwant(name);
    }
  }

  /**
   * Asks the leader of each partition that is named, and yields the answers with what they are about. A leader that
   * has moved is looked for again.
   */
  async leaders<Q extends { readonly topic: string; readonly partition: number }, T>(
    questions: readonly Q[],
    ask: (link: BrokerLink, questions: readonly Q[]) => Promise<T[]>,
    options: AskOptions = {},
  ): Promise<T[]> {
    const topics = await this.topics([...new Set(questions.map(({ topic }) => topic))], options);
    const byLeader = new Map<number, Q[]>();
    for (const one of questions) {
      const info = topics.find(({ name }) => name === one.topic)?.partitions[one.partition];
      if (info === undefined) {
        throw brokerError(Errors.UNKNOWN_TOPIC_OR_PARTITION, `${one.topic}-${one.partition}`);
      }
      const ofLeader = byLeader.get(info.leader) ?? [];
      byLeader.set(info.leader, ofLeader);
      ofLeader.push(one);
    }
    const { brokers } = this.core;
    const all = [...byLeader].map(async ([leader, list]) => ask(brokers.link(leader, 'control'), list));
    return (await Promise.all(all)).flat();
  }

  /** Repeats the whole question while its failure is one that passes, for `requestTimeoutMs`. */
  async repeat<T>(ask: () => Promise<T>, options: AskOptions = {}): Promise<T> {
    const { ports, settings, metadata } = this.core;
    const endMs = ports.clock.monotonicMs() + settings.requestTimeoutMs;
    for (let failures = 1; ; failures++) {
      let failure: KafkaError;
      try {
        return await ask();
      } catch (error) {
        if (options.signal?.aborted === true) throw error;
        failure = connectionError(error, 'asking a broker');
      }
      if (!failure.retriable || IS_ANSWER.has(failure.code ?? 0)) throw failure;
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
