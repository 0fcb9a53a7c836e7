/**
 * What a member of a share group has with one broker: a connection, a session in it, and one request at a time, which
 * fetches and acknowledges, or acknowledges only, or renews locks. When a request fails, so does the session, and with it the
 * hold on all that was acquired in it.
 */
import { Errors, isRetriable } from '../../protocol/errors.ts';
import { ShareFetchRequest, ShareFetchResponse } from '../../protocol/messages/78-share-fetch.ts';
import {
  ShareAcknowledgeRequest,
  ShareAcknowledgeResponse,
} from '../../protocol/messages/79-share-acknowledge.ts';
import { backoffMs } from '../backoff.ts';
import type { Lane } from '../connection/brokers.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, ownError, type KafkaError } from '../errors.ts';
import { Acknowledgements, type AcknowledgementsHost, type Drained } from './acknowledgements.ts';
import type { Hold } from './acquired-part.ts';
import type { ShareSettings } from './options.ts';
import { renewalBatches, type Renewal } from './renewals.ts';
import { FINAL_EPOCH, keyOf, ShareSession, topicsOf, type SharePartition } from './share-session.ts';

export type ShareFetchAnswer = ShareFetchResponse['responses'][number]['partitions'][number];

export type LeaderAnswer = Pick<ShareFetchAnswer, 'errorCode' | 'currentLeader'>;

/** How records were acquired. */
export interface Acquired {
  readonly nodeId: number;
  readonly hold: Hold;
  /** Monotonic ms. */
  readonly lockedUntilMs: number;
}

export interface ShareLaneHost extends AcknowledgementsHost {
  /** Records of a partition. */
  onFetched(at: SharePartition, answer: ShareFetchAnswer, acquired: Acquired): void;
  /** This broker does not lead it any more, or not yet. */
  onRefused(at: SharePartition, answer: LeaderAnswer): void;
  /** No later try helps. */
  onFatal(error: KafkaError): void;
  /** After each answer, or failure: the lane is free. */
  onFree(): void;
}

/** Renewals, since this version of ShareFetch and ShareAcknowledge (KIP-1222), and the limit on records (KIP-1206). */
const VERSION_RENEW = 2;
const ACQUIRE_RECORD_LIMIT = 1;
const CLOSE_MS_MAX = 5_000;
/** Another broker leads, and knows nothing of what was acquired here. */
const MOVED: ReadonlySet<number> = new Set([
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.FENCED_LEADER_EPOCH,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
]);

export interface ShareLaneOptions {
  readonly core: ClientCore;
  readonly settings: ShareSettings;
  readonly nodeId: number;
  readonly memberId: string;
}

export class ShareLane {
  readonly #options: ShareLaneOptions;
  readonly #host: ShareLaneHost;
  readonly nodeId: number;
  readonly lane: Lane;
  readonly acknowledgements: Acknowledgements;
  readonly #session = new ShareSession();
  #hold: Hold = { isLost: false };
  #renewals: Renewal[] = [];
  isBusy = false;
  /** Bytes that the answer under way may have. */
  reservedBytes = 0;
  /** Not before this (monotonic ms). */
  retryAtMs = 0;
  #failures = 0;
  /** The last fetch has brought something. */
  hasMore = false;
  /** The broker's locks can be renewed; undefined until it is known. */
  knowsRenewal: boolean | undefined;
  /** Of the broker's locks, once it has told. */
  lockMs: number | undefined;
  /** Settles when the request under way has ended. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: ShareLaneOptions, host: ShareLaneHost) {
    this.#options = options;
    this.#host = host;
    this.nodeId = options.nodeId;
    this.lane = options.core.newLane('fetch');
    this.acknowledgements = new Acknowledgements(host);
  }

  /** The broker knows the session: something can be acknowledged. */
  get isOpen(): boolean {
    return !this.#session.isNew;
  }

  get hasRenewals(): boolean {
    return this.#renewals.length > 0;
  }

  addRenewal(renewal: Renewal): void {
    this.#renewals.push(renewal);
  }

  /** Fetches these; with what is to be acknowledged of them, which has to be all there is. */
  fetch(
    wanted: readonly SharePartition[],
    limits: { readonly bytesMax: number; readonly maxWaitMs: number },
  ): void {
    this.reservedBytes = limits.bytesMax;
    this.#begin((sentMs, drained) => this.#fetch(wanted, { ...limits, sentMs, drained }));
  }

  /** Sends what is to be acknowledged, without fetching. */
  acknowledge(): void {
    this.#begin((_sentMs, drained) => this.#acknowledge(drained, this.#session.epoch));
  }

  /** There is no session any more in which anything could be acknowledged. */
  dropAcknowledgements(): void {
    this.#failAll(this.acknowledgements.drain(this.#options.core.ports.clock.monotonicMs()), lostSession());
    this.#failRenewals(lostSession());
  }

  /** Sends what is to be renewed. */
  renew(): void {
    const { clock } = this.#options.core.ports;
    const renewals = this.#renewals;
    this.#renewals = [];
    this.isBusy = true;
    this.#turn = this.#renew(renewals, clock.monotonicMs()).then(() => this.#end());
  }

  /** After the request under way: the last acknowledgements, and the end of the session, which gives back all else. */
  async close(): Promise<void> {
    const { brokers, ports } = this.#options.core;
    // A broker that does not answer gives back by itself what its connection had.
    const timer = ports.timers.after(CLOSE_MS_MAX, () => brokers.closeLane(this.lane));
    await this.#turn;
    timer.cancel();
    const drained = this.acknowledgements.drain(ports.clock.monotonicMs());
    this.#failRenewals(ownError('CLOSED', 'the consumer has been closed'));
    if (this.isOpen) await this.#guarded(drained, () => this.#acknowledge(drained, FINAL_EPOCH));
    else this.#failAll(drained, lostSession());
    brokers.closeLane(this.lane);
  }

  #begin(ask: (sentMs: number, drained: Drained) => Promise<void>): void {
    const sentMs = this.#options.core.ports.clock.monotonicMs();
    const drained = this.isOpen ? this.acknowledgements.drain(sentMs) : { partitions: [], waiting: [] };
    this.isBusy = true;
    this.#turn = this.#guarded(drained, () => ask(sentMs, drained)).then(() => this.#end());
  }

  #end(): void {
    this.isBusy = false;
    this.reservedBytes = 0;
    this.#host.onFree();
  }

  /** A failure ends the session. */
  async #guarded(drained: Drained, ask: () => Promise<void>): Promise<void> {
    const { core, nodeId } = this.#options;
    try {
      await ask();
      this.#failures = 0;
    } catch (error) {
      const failure = connectionError(error, `share fetching from broker ${nodeId}`);
      core.ports.logger?.debug({ error: failure }, 'a share session has ended');
      this.#failures += 1;
      const waitMs = backoffMs(this.#failures, core.settings, core.ports.random);
      this.retryAtMs = core.ports.clock.monotonicMs() + waitMs;
      this.#lose(drained, failure);
      if (failure.errorName !== 'CLOSED') core.metadata.stale();
      if (!failure.retriable && !MOVED.has(failure.code ?? Errors.NONE)) this.#host.onFatal(failure);
    }
  }

  #lose(drained: Drained, failure: KafkaError): void {
    this.#session.reset();
    this.hasMore = false;
    this.#hold.isLost = true;
    this.#hold = { isLost: false };
    this.#failAll(drained, failure);
    const { clock } = this.#options.core.ports;
    this.#failAll(this.acknowledgements.drain(clock.monotonicMs()), failure);
    this.#failRenewals(failure);
  }

  #failAll(drained: Drained, error: KafkaError): void {
    this.acknowledgements.settle(drained, () => ({ error, isRetried: false }));
  }

  #failRenewals(error: KafkaError): void {
    for (const { onAnswer } of this.#renewals.splice(0)) onAnswer(error, 0);
  }

  // --- Requests

  async #fetch(
    wanted: readonly SharePartition[],
    {
      bytesMax,
      maxWaitMs,
      sentMs,
      drained,
    }: {
      readonly bytesMax: number;
      readonly maxWaitMs: number;
      readonly sentMs: number;
      readonly drained: Drained;
    },
  ): Promise<void> {
    const { core, settings, memberId } = this.#options;
    const { minBytes, recordsMax, group, isRecordLimit } = settings;
    const shareSessionEpoch = this.#session.epoch;
    const named = this.#session.build(wanted, drained.partitions);
    const answer = await core.brokers.link(this.nodeId, this.lane).ask({
      request: ShareFetchRequest,
      response: ShareFetchResponse,
      timeoutMs: core.settings.requestTimeoutMs + maxWaitMs,
      body: (version) => {
        this.#note(version);
        return {
          groupId: group,
          memberId,
          shareSessionEpoch,
          maxWaitMs,
          minBytes,
          maxBytes: bytesMax,
          maxRecords: recordsMax,
          batchSize: recordsMax,
          shareAcquireMode: isRecordLimit ? ACQUIRE_RECORD_LIMIT : 0,
          ...named,
        };
      },
    });
    if (answer.errorCode !== Errors.NONE) throw refusal(answer, `share group ${group}`);
    this.#session.advance();
    for (const endpoint of answer.nodeEndpoints) core.brokers.learn(endpoint);
    this.lockMs = answer.acquisitionLockTimeoutMs > 0 ? answer.acquisitionLockTimeoutMs : this.lockMs;
    const codes = new Map<string, number>();
    const known = new Map(
      [...wanted, ...drained.partitions.map(({ at }) => at)].map((at) => [keyOf(at), at]),
    );
    const { nodeId } = this;
    const acquired = { nodeId, hold: this.#hold, lockedUntilMs: sentMs + (this.lockMs ?? Infinity) };
    this.hasMore = false;
    // Their number is the broker's: one that fits none of ours is passed over.
    for (const { topicId, partitions } of answer.responses) {
      for (const one of partitions) {
        const key = keyOf({ topicId, partition: one.partitionIndex });
        const at = known.get(key);
        if (at === undefined) continue;
        codes.set(key, one.acknowledgeErrorCode);
        if (one.errorCode !== Errors.NONE) this.#host.onRefused(at, one);
        if (one.acquiredRecords.length === 0) continue;
        this.hasMore = true;
        this.#host.onFetched(at, one, acquired);
      }
    }
    this.#settle(drained, codes);
  }

  async #acknowledge(drained: Drained, shareSessionEpoch: number): Promise<void> {
    const { group } = this.#options.settings;
    const isFinal = shareSessionEpoch === FINAL_EPOCH;
    if (drained.partitions.length === 0 && !isFinal) return;
    const answer = await this.#askToAcknowledge({
      shareSessionEpoch,
      isRenewAck: false,
      topics: topicsOf(drained.partitions),
    });
    if (answer.errorCode !== Errors.NONE) throw refusal(answer, `acknowledging in share group ${group}`);
    if (isFinal) this.#session.reset();
    else this.#session.advance();
    this.#settle(
      drained,
      this.#codesOf(
        answer,
        drained.partitions.map(({ at }) => at),
      ),
    );
  }

  async #renew(renewals: readonly Renewal[], nowMs: number): Promise<void> {
    const nothing: Drained = { partitions: [], waiting: [] };
    const due = renewals.filter(({ part }) => !part.isLost && this.isOpen);
    for (const one of renewals) if (!due.includes(one)) one.onAnswer(lostSession(), 0);
    if (due.length === 0) return;
    let rest = due;
    await this.#guarded(nothing, async () => {
      const answer = await this.#askToAcknowledge({
        shareSessionEpoch: this.#session.epoch,
        isRenewAck: true,
        topics: topicsOf(renewalBatches(due)),
      });
      if (answer.errorCode !== Errors.NONE) throw refusal(answer, 'renewing locks');
      this.#session.advance();
      const codes = this.#codesOf(
        answer,
        due.map(({ part }) => part.at),
      );
      const lockedUntilMs = nowMs + (answer.acquisitionLockTimeoutMs || (this.lockMs ?? 0));
      rest = [];
      for (const { part, onAnswer } of due) {
        const code = codes.get(keyOf(part.at)) ?? Errors.INVALID_RECORD_STATE;
        onAnswer(
          code === Errors.NONE ? undefined : brokerError(code, `renewing in ${part.at.topic}`),
          lockedUntilMs,
        );
      }
    });
    for (const { onAnswer } of rest) onAnswer(lostSession(), 0);
  }

  async #askToAcknowledge(what: {
    readonly shareSessionEpoch: number;
    readonly isRenewAck: boolean;
    readonly topics: ReturnType<typeof topicsOf>;
  }): Promise<ShareAcknowledgeResponse> {
    const { core, settings, memberId } = this.#options;
    const isFinal = what.shareSessionEpoch === FINAL_EPOCH;
    return core.brokers.link(this.nodeId, this.lane).ask({
      request: ShareAcknowledgeRequest,
      response: ShareAcknowledgeResponse,
      ...(isFinal ? { timeoutMs: CLOSE_MS_MAX } : {}),
      body: () => ({ groupId: settings.group, memberId, ...what }),
    });
  }

  #note(version: number): void {
    this.knowsRenewal = version >= VERSION_RENEW;
    if (this.#options.settings.isRecordLimit && !this.knowsRenewal) {
      throw ownError('UNSUPPORTED_API', `broker ${this.nodeId} knows no limit on records: leave limit out`);
    }
  }

  // --- Answers

  #codesOf(answer: ShareAcknowledgeResponse, asked: readonly SharePartition[]): Map<string, number> {
    for (const endpoint of answer.nodeEndpoints) this.#options.core.brokers.learn(endpoint);
    const known = new Map(asked.map((at) => [keyOf(at), at]));
    const codes = new Map<string, number>();
    for (const { topicId, partitions } of answer.responses) {
      for (const one of partitions) {
        const key = keyOf({ topicId, partition: one.partitionIndex });
        const at = known.get(key);
        if (at === undefined) continue;
        codes.set(key, one.errorCode);
        if (MOVED.has(one.errorCode)) this.#host.onRefused(at, one);
      }
    }
    return codes;
  }

  #settle(drained: Drained, codes: ReadonlyMap<string, number>): void {
    this.acknowledgements.settle(drained, (at) => {
      const code = codes.get(keyOf(at)) ?? Errors.INVALID_RECORD_STATE;
      if (code === Errors.NONE) return { error: undefined, isRetried: false };
      const isRetried = isRetriable(code) && !MOVED.has(code);
      if (isRetried) {
        const { core } = this.#options;
        this.retryAtMs = core.ports.clock.monotonicMs() + backoffMs(1, core.settings, core.ports.random);
      }
      return { error: brokerError(code, `acknowledging in ${at.topic}-${at.partition}`), isRetried };
    });
  }
}

function lostSession(): KafkaError {
  return ownError('ACQUISITION_LOST', 'the session with the broker has ended: the records come again');
}

function refusal(
  { errorCode, errorMessage }: { readonly errorCode: number; readonly errorMessage: string | null },
  what: string,
): KafkaError {
  return brokerError(errorCode, errorMessage === null ? what : `${what}: ${errorMessage}`);
}
