/**
 * The broker that coordinates a group or a transactional id: found, asked, and looked for again when it is no longer the one.
 * Answers are looked at by the caller, who says by a code whether the coordinator has to be found anew.
 */
import { Errors } from '../../protocol/errors.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { BrokerLink, Call } from '../connection/broker-link.ts';
import type { BrokerVersions } from '../connection/versions.ts';
import type { Lane } from '../connection/brokers.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, isRetriableError, ownError, type KafkaError } from '../errors.ts';

export type CoordinatorKind = 'group' | 'transaction';

const KEY_TYPES: Readonly<Record<CoordinatorKind, number>> = { group: 0, transaction: 1 };

export interface CoordinatorOptions {
  readonly core: ClientCore;
  readonly kind: CoordinatorKind;
  /** The group, or the transactional id. */
  readonly key: string;
  readonly lane: Lane;
}

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** For all tries together. Default: `callTimeoutMs`. */
  readonly timeoutMs?: number;
}

/** After these another broker has to be asked, or the same one later. */
const LOOK_AGAIN: ReadonlySet<number> = new Set([Errors.NOT_COORDINATOR, Errors.COORDINATOR_NOT_AVAILABLE]);

export class Coordinator {
  readonly #options: CoordinatorOptions;
  #nodeId: number | undefined;
  #finding: Promise<number> | undefined;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  /** What the coordinator knows. Errors: KafkaError. */
  async versions(): Promise<BrokerVersions> {
    return (await this.#link()).versions();
  }

  /** One question, to whoever is the coordinator now. `codeOf` finds the answer's error. Errors: KafkaError. */
  async ask<W, R>(call: Call<W, R>, codeOf: (answer: R) => number): Promise<R> {
    const link = await this.#link();
    let answer: R;
    try {
      answer = await link.ask(call);
    } catch (error) {
      this.#nodeId = undefined;
      throw error;
    }
    const code = codeOf(answer);
    if (LOOK_AGAIN.has(code)) this.#nodeId = undefined;
    return answer;
  }

  /** As `ask`, repeated while the error is one that passes. Throws what does not pass. */
  async askUntilDone<W, R>(
    call: Call<W, R>,
    codeOf: (answer: R) => number,
    patience: Patience = {},
  ): Promise<R> {
    const { ports, settings } = this.#options.core;
    const { key, kind } = this.#options;
    const endMs = ports.clock.monotonicMs() + (patience.timeoutMs ?? settings.callTimeoutMs);
    for (let failures = 1; ; failures++) {
      let failure: KafkaError;
      const leftMs = Math.max(1, endMs - ports.clock.monotonicMs());
      const timeoutMs = Math.min(call.timeoutMs ?? settings.requestTimeoutMs, leftMs);
      try {
        const answer = await this.ask({ ...call, timeoutMs }, codeOf);
        const code = codeOf(answer);
        if (code === Errors.NONE) return answer;
        failure = brokerError(code, `${call.request.name.replace(/Request$/, '')} for ${kind} ${key}`);
      } catch (error) {
        failure = connectionError(error, `asking the coordinator of ${kind} ${key}`);
      }
      if (!isRetriableError(failure)) throw failure;
      const waitMs = backoffMs(failures, settings, ports.random);
      if (ports.clock.monotonicMs() + waitMs > endMs) throw failure;
      await pause(ports.timers, waitMs, patience.signal);
    }
  }

  close(): void {
    this.#options.core.brokers.closeLane(this.#options.lane);
  }

  async #link(): Promise<BrokerLink> {
    const { core, lane } = this.#options;
    if (this.#nodeId === undefined || !core.brokers.isKnown(this.#nodeId)) {
      this.#finding ??= this.#find().finally(() => {
        this.#finding = undefined;
      });
      this.#nodeId = await this.#finding;
    }
    return core.brokers.link(this.#nodeId, lane);
  }

  async #find(): Promise<number> {
    const { core, kind, key } = this.#options;
    if (core.brokers.nodeIds.length === 0) await core.metadata.refresh();
    const answer = await core.metadata.askAny((link) =>
      link.ask({
        request: FindCoordinatorRequest,
        response: FindCoordinatorResponse,
        body: () => ({ key, keyType: KEY_TYPES[kind], coordinatorKeys: [key] }),
      }),
    );
    const found = answer.coordinators[0] ?? answer;
    if (found.errorCode !== Errors.NONE) {
      throw brokerError(found.errorCode, `looking for the coordinator of ${kind} ${key}`);
    }
    if (found.nodeId < 0) throw ownError('INVALID_ANSWER', `no coordinator of ${kind} ${key}`);
    const { nodeId, host, port } = found;
    core.brokers.learn({ nodeId, host, port, rack: core.brokers.rackOf(nodeId) });
    return nodeId;
  }
}
