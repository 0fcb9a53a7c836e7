/**
 * Finds out where a consumer is to go on: the offset of a time, the end that is nearest to an offset that is no
 * longer there, and whether the log of a new leader still has what was read (KIP-320). Questions that come together
 * go to each leader together.
 */
import { Errors, isRetriable } from '../../protocol/errors.ts';
import { backoffMs } from '../backoff.ts';
import type { BrokerLink } from '../connection/broker-link.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, isKafkaError, ownError, type KafkaError } from '../errors.ts';
import type { PartitionInfo } from '../metadata/cluster-view.ts';
import type { FetchedPartition } from './fetched-partition.ts';
import { endOfEpochs, listOffsets, timestampOf, type OffsetAnswer } from './offset-questions.ts';
import type { FetchSettings } from './options.ts';

interface Question {
  readonly partition: FetchedPartition;
  readonly turn: number;
  readonly leaderEpoch: number;
}

export class PositionFinder {
  readonly #core: ClientCore;
  readonly #settings: FetchSettings;
  readonly #onFound: (partition: FetchedPartition) => void;
  /** By leader. */
  readonly #seeks = new Map<number, Question[]>();
  readonly #validations = new Map<number, Question[]>();
  /** Partitions whose position is out of range: both ends have to be known. */
  readonly #outOfRange = new WeakSet<FetchedPartition>();

  constructor(
    options: { readonly core: ClientCore; readonly settings: FetchSettings },
    onFound: (partition: FetchedPartition) => void,
  ) {
    this.#core = options.core;
    this.#settings = options.settings;
    this.#onFound = onFound;
  }

  /** True when the partition has to be asked about before it is fetched; `ask` does so. */
  take(partition: FetchedPartition, info: PartitionInfo): boolean {
    const { leaderEpoch } = info;
    const isSeeking = partition.seeking !== undefined || this.#outOfRange.has(partition);
    if (!isSeeking) {
      if (partition.fetchOffset < 0) return false;
      const isValid = partition.fetchEpoch < 0 || leaderEpoch < 0 || partition.validEpoch === leaderEpoch;
      if (isValid) {
        partition.validEpoch = leaderEpoch;
        return false;
      }
    }
    const questions = isSeeking ? this.#seeks : this.#validations;
    const ofLeader = questions.get(info.leader) ?? [];
    questions.set(info.leader, ofLeader);
    ofLeader.push({ partition, turn: partition.turn, leaderEpoch });
    partition.isAsking = true;
    return true;
  }

  /** Asks whatever was taken. */
  ask(): void {
    for (const [nodeId, questions] of this.#seeks) void this.#run(nodeId, questions, this.#seek);
    for (const [nodeId, questions] of this.#validations) void this.#run(nodeId, questions, this.#validate);
    this.#seeks.clear();
    this.#validations.clear();
  }

  /** The broker does not have the position: decides what to do, by the settings. */
  outOfRange(partition: FetchedPartition): void {
    const { onOutOfRange } = this.#settings;
    switch (onOutOfRange) {
      case 'error':
        partition.error = brokerError(
          Errors.OFFSET_OUT_OF_RANGE,
          `${partition.name} has no offset ${partition.fetchOffset}`,
        );
        return;
      case 'nearest':
        this.#outOfRange.add(partition);
        return;
      default:
        partition.seek(onOutOfRange);
    }
  }

  async #run(
    nodeId: number,
    questions: readonly Question[],
    ask: (link: BrokerLink, questions: readonly Question[]) => Promise<void>,
  ): Promise<void> {
    try {
      await ask.call(this, this.#core.brokers.link(nodeId, 'control'), questions);
    } catch (error) {
      const failure = connectionError(error, 'asking for offsets');
      if (failure.errorName === 'CLOSED') return;
      this.#core.metadata.stale();
      for (const { partition } of questions) this.#fail(partition, failure);
    }
    for (const { partition } of questions) {
      partition.isAsking = false;
      this.#onFound(partition);
    }
  }

  async #seek(link: BrokerLink, questions: readonly Question[]): Promise<void> {
    const lost = questions.filter(({ partition }) => partition.seeking === undefined);
    const answers = await this.#list(link, questions, ({ partition }) =>
      partition.seeking === undefined ? timestampOf('earliest') : timestampOf(partition.seeking),
    );
    const late: Question[] = [];
    for (const [at, question] of questions.entries()) {
      const { partition, turn } = question;
      const answer = answers[at]!;
      if (partition.turn !== turn || !this.#isGood(partition, answer)) continue;
      if (lost.includes(question)) {
        if (partition.fetchOffset < answer.offset) this.#found(partition, answer);
        else late.push(question);
      } else if (answer.offset < 0) {
        // No record is as young as that: what comes next will be.
        partition.seek('latest');
      } else this.#found(partition, answer);
    }
    if (late.length === 0) return;
    const ends = await this.#list(link, late, () => timestampOf('latest'));
    for (const [at, { partition, turn }] of late.entries()) {
      if (partition.turn === turn && this.#isGood(partition, ends[at]!)) this.#found(partition, ends[at]!);
    }
  }

  #list(
    link: BrokerLink,
    questions: readonly Question[],
    timestamp: (one: Question) => number,
  ): Promise<OffsetAnswer[]> {
    const { isCommittedOnly } = this.#settings;
    const asked = questions.map((one) => {
      const { topic, index } = one.partition;
      return { topic, index, leaderEpoch: one.leaderEpoch, timestamp: timestamp(one) };
    });
    const timeoutMs = this.#core.settings.requestTimeoutMs;
    return listOffsets(link, asked, { isCommittedOnly, timeoutMs });
  }

  #found(partition: FetchedPartition, { offset }: OffsetAnswer): void {
    this.#outOfRange.delete(partition);
    partition.failures = 0;
    partition.seek(offset);
  }

  async #validate(link: BrokerLink, questions: readonly Question[]): Promise<void> {
    const asked = questions.map(({ partition: { topic, index, fetchEpoch }, leaderEpoch }) => ({
      topic,
      index,
      currentLeaderEpoch: leaderEpoch,
      leaderEpoch: fetchEpoch,
    }));
    const answers = await endOfEpochs(link, asked).catch((error: unknown) => {
      // An old broker cannot say: it is believed.
      if (isKafkaError(error, 'UNSUPPORTED_API')) return undefined;
      throw error;
    });
    for (const [at, { partition, turn, leaderEpoch }] of questions.entries()) {
      const answer = answers?.[at];
      if (partition.turn !== turn || (answer !== undefined && !this.#isGood(partition, answer))) continue;
      partition.failures = 0;
      partition.validEpoch = leaderEpoch;
      const end = answer?.endOffset ?? -1;
      if (end < 0 || end >= partition.fetchOffset) continue;
      if (end >= partition.position) partition.rewind();
      else this.#truncated(partition, end);
    }
  }

  /** The log ends before the position: what the user has seen after that is no longer true. */
  #truncated(partition: FetchedPartition, end: number): void {
    if (this.#settings.onOutOfRange === 'error') {
      const text = `${partition.name} was cut to ${end}, the position is ${partition.position}`;
      partition.error = ownError('LOG_TRUNCATION', text);
      return;
    }
    const { position } = partition;
    this.#core.ports.logger?.warn(
      { partition: partition.name, position, end },
      'the log was cut: going back',
    );
    partition.seek(end);
  }

  #isGood(partition: FetchedPartition, { errorCode }: { readonly errorCode: number }): boolean {
    if (errorCode === Errors.NONE) return true;
    if (isRetriable(errorCode)) this.#core.metadata.stale();
    this.#fail(partition, brokerError(errorCode, `asking for offsets of ${partition.name}`));
    return false;
  }

  #fail(partition: FetchedPartition, error: KafkaError): void {
    if (!error.retriable) {
      partition.error = error;
      return;
    }
    const { clock, random } = this.#core.ports;
    partition.failures += 1;
    partition.retryAtMs = clock.monotonicMs() + backoffMs(partition.failures, this.#core.settings, random);
  }
}
