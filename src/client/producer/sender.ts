/**
 * Decides when which batches leave, and what becomes of them. A broker that has nothing to answer gets at once
 * whatever there is; one that is busy gets full batches, and others after `lingerMs`: so a single `await send()`
 * waits for one round trip and no more, while many at a time share few requests. Everything that is decided here is
 * decided in `#drain`, which runs after each change, once for all changes of a turn.
 */
import type { Timer } from '../../base/ports.ts';
import { Errors, isRetriable } from '../../protocol/errors.ts';
import type { ProduceResponse } from '../../protocol/messages/00-produce.ts';
import { backoffMs } from '../backoff.ts';
import type { Lane } from '../connection/brokers.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, isKafkaError, KafkaError, ownError } from '../errors.ts';
import { NO_BROKER } from '../metadata/cluster-view.ts';
import type { Batch, BatchIdentity } from './batch.ts';
import type { ProducerSettings } from './options.ts';
import type { PartitionQueue } from './partition-queue.ts';
import { newCounters, type ProducerCounters } from './metrics.ts';
import { ProduceRequestBuilder, type SentBatch } from './produce-request.ts';
import { splitBatch } from './split-batch.ts';

/** What a sender needs of its producer. */
export interface SenderHost {
  /** NO_IDENTITY: there is none yet, or none is needed. */
  readonly identity: BatchIdentity;
  /** False while batches must wait for a producer id; whoever says so wakes the sender later. */
  mayProduce(): boolean;
  /** The sequences of a partition are broken; a new epoch is needed, and `identity` is another afterwards. */
  onSequenceLost(queue: PartitionQueue, cause: KafkaError): void;
  /** A batch is done with: its memory is free. */
  onDone(batch: Batch): void;
  /** A batch goes on as these. */
  onSplit(batch: Batch, parts: readonly Batch[]): void;
  /** A failure that ends the producer. */
  onFatal(error: KafkaError): void;
  /** In transactions. */
  readonly transaction: TransactionHooks | undefined;
}

/** What a transaction has to say about batches. */
export interface TransactionHooks {
  readonly transactionalId: string;
  readonly identity: BatchIdentity;
  /** Newer versions of Produce mean something else than the transaction does. */
  readonly produceVersionMax: number;
  /** False until the partition is a part of the transaction; the sender is woken then. */
  mayProduceTo(queue: PartitionQueue): boolean;
  /** A batch was given up, or its sequence is lost. */
  onFailed(error: KafkaError): void;
}

interface Node {
  readonly nodeId: number;
  inFlight: number;
  /** Where the next request begins to look, so that no partition always comes first. */
  turn: number;
  candidates: PartitionQueue[];
}

export interface SenderOptions {
  readonly core: ClientCore;
  readonly settings: ProducerSettings;
  readonly host: SenderHost;
}

export class Sender {
  readonly counters: ProducerCounters = newCounters();
  readonly #core: ClientCore;
  readonly #settings: ProducerSettings;
  readonly #host: SenderHost;
  readonly #builder: ProduceRequestBuilder;
  readonly #lane: Lane;
  readonly #nodes = new Map<number, Node>();
  /** Partitions with batches that wait. */
  readonly #pending = new Set<PartitionQueue>();
  #isScheduled = false;
  #isFlushing = false;
  /** Why nothing is sent any more. */
  #closedBy: Error | undefined;
  #timer: Timer | undefined;
  #timerDueMs = Infinity;
  readonly #unlisten: () => void;

  constructor(options: SenderOptions) {
    this.#core = options.core;
    this.#settings = options.settings;
    this.#host = options.host;
    this.#builder = new ProduceRequestBuilder(options.settings, options.host.transaction);
    this.#lane = options.core.newLane('produce');
    this.#unlisten = this.#core.metadata.onChange(() => this.wake());
  }

  /** Requests without an answer. */
  get requestsInFlight(): number {
    let count = 0;
    for (const { inFlight } of this.#nodes.values()) count += inFlight;
    return count;
  }

  /** Something has changed; what follows from it is decided before anything else happens. */
  wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#drain());
  }

  /** The partition has something to send. */
  add(queue: PartitionQueue): void {
    this.#pending.add(queue);
    this.wake();
  }

  /** While true nothing waits for company. */
  set isFlushing(flushing: boolean) {
    this.#isFlushing = flushing;
    if (flushing) this.wake();
  }

  /** Fails whatever waits; what is under way is left to its answers. */
  close(error: Error): void {
    this.#closedBy = error;
    this.failAll(error);
    this.#timer?.cancel();
    this.#unlisten();
    this.#core.brokers.closeLane(this.#lane);
  }

  /** Batches that wait fail with this error. */
  failAll(error: Error): void {
    for (const queue of this.#pending) {
      for (const batch of queue.waiting.splice(0)) {
        // What was sent before may have been written: nothing can follow it under this epoch.
        if (batch.baseSequence >= 0) queue.needsNewEpoch = true;
        this.#fail(batch, error);
      }
    }
    this.#pending.clear();
  }

  #drain(): void {
    this.#isScheduled = false;
    if (this.#closedBy !== undefined) return;
    const nowMs = this.#core.ports.clock.monotonicMs();
    let dueMs = Infinity;
    let lacksLeader = false;
    for (const node of this.#nodes.values()) node.candidates.length = 0;
    for (const queue of this.#pending) {
      if (!this.#expire(queue, nowMs)) continue;
      const head = queue.waiting[0]!;
      dueMs = Math.min(dueMs, head.createdMs + this.#settings.deliveryTimeoutMs);
      if (queue.retryAtMs > nowMs) dueMs = Math.min(dueMs, queue.retryAtMs);
      else if (queue.leader === NO_BROKER || !this.#core.brokers.isKnown(queue.leader)) lacksLeader = true;
      else {
        if (queue.needsNewEpoch && queue.inFlight.length === 0) queue.forgetSequences();
        if (queue.mayLeave(this.#host.identity) && this.#host.transaction?.mayProduceTo(queue) !== false) {
          this.#node(queue.leader).candidates.push(queue);
        }
      }
    }
    if (lacksLeader) this.#core.metadata.stale();
    if (this.#host.mayProduce()) {
      for (const node of this.#nodes.values()) dueMs = Math.min(dueMs, this.#serve(node, nowMs));
    }
    this.#arm(dueMs, nowMs);
  }

  #node(nodeId: number): Node {
    let node = this.#nodes.get(nodeId);
    if (node === undefined) {
      node = { nodeId, inFlight: 0, turn: 0, candidates: [] };
      this.#nodes.set(nodeId, node);
    }
    return node;
  }

  /** Gives up what has waited too long; false when nothing is left. */
  #expire(queue: PartitionQueue, nowMs: number): boolean {
    const { deliveryTimeoutMs } = this.#settings;
    for (let head = queue.waiting[0]; head !== undefined; head = queue.waiting[0]) {
      if (head.createdMs + deliveryTimeoutMs > nowMs) return true;
      queue.waiting.shift();
      const message = `${head.count} records for ${nameOf(queue)} in ${deliveryTimeoutMs} ms`;
      const error = ownError('DELIVERY_TIMEOUT', message, { retriable: true, cause: head.lastError });
      if (head.baseSequence >= 0) this.#loseSequence(queue, error);
      this.#fail(head, error);
    }
    this.#pending.delete(queue);
    return false;
  }

  /** Sends what is ready; yields when something else will be (monotonic ms). */
  #serve(node: Node, nowMs: number): number {
    const { lingerMs, requestsInFlightMax } = this.#settings;
    for (;;) {
      if (node.candidates.length === 0 || node.inFlight >= requestsInFlightMax) return Infinity;
      let readyMs = node.inFlight === 0 || this.#isFlushing ? -Infinity : Infinity;
      for (const queue of node.candidates) {
        const head = queue.waiting[0]!;
        readyMs = Math.min(readyMs, head.isClosed ? -Infinity : head.createdMs + lingerMs);
      }
      if (readyMs > nowMs) return readyMs;
      this.#send(node);
      const { identity } = this.#host;
      node.candidates = node.candidates.filter((queue) => queue.mayLeave(identity));
    }
  }

  /** One request with the oldest batch of each partition that has one, as many as fit. */
  #send(node: Node): void {
    const { candidates } = node;
    const { identity } = this.#host;
    const batches: SentBatch[] = [];
    let sizeBytes = 0;
    for (let n = 0; n < candidates.length; n++) {
      const queue = candidates[(node.turn + n) % candidates.length]!;
      const next = queue.waiting[0]!;
      if (batches.length > 0 && sizeBytes + next.sizeBytes > this.#settings.requestBytesMax) continue;
      sizeBytes += next.sizeBytes;
      batches.push({ queue, batch: queue.take(identity), topicId: queue.topic.info.id });
      if (queue.waiting.length === 0) this.#pending.delete(queue);
    }
    node.turn = (node.turn + 1) % candidates.length;
    node.inFlight += 1;
    void this.#exchange(node, batches);
  }

  async #exchange(node: Node, batches: readonly SentBatch[]): Promise<void> {
    const { clock } = this.#core.ports;
    const sinceMs = clock.monotonicMs();
    this.counters.requests += 1;
    try {
      const link = this.#core.brokers.link(node.nodeId, this.#lane);
      const call = this.#builder.call(batches, this.#core.settings.requestTimeoutMs);
      if (this.#settings.acks === 0) {
        await link.tell(call);
        for (const sent of batches) this.#acknowledge(sent, -1, -1);
      } else {
        const answer = await link.ask(call);
        this.counters.requestMs += clock.monotonicMs() - sinceMs;
        this.#take(batches, answer);
      }
    } catch (error) {
      const failure = connectionError(error, 'producing');
      if (failure.retriable) this.#core.metadata.stale();
      for (const sent of batches) this.#refused(sent, failure);
    } finally {
      node.inFlight -= 1;
      this.wake();
    }
  }

  #take(batches: readonly SentBatch[], answer: ProduceResponse): void {
    for (const endpoint of answer.nodeEndpoints) this.#core.brokers.learn(endpoint);
    for (const sent of batches) {
      const partition = this.#builder.answerTo(sent, answer);
      if (partition === undefined) {
        this.#refused(sent, ownError('INVALID_ANSWER', `no answer for ${nameOf(sent.queue)}`));
        continue;
      }
      const { errorCode, baseOffset, logAppendTimeMs, errorMessage, currentLeader } = partition;
      if (errorCode === Errors.NONE) {
        this.#acknowledge(sent, baseOffset, logAppendTimeMs);
      } else if (errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER) {
        this.#acknowledge(sent, -1, -1);
      } else {
        const why = errorMessage === null ? '' : `: ${errorMessage}`;
        const { topic, index } = sent.queue;
        const isHinted = this.#core.metadata.noteLeader(topic.info, {
          partition: index,
          leader: currentLeader.leaderId,
          leaderEpoch: currentLeader.leaderEpoch,
        });
        const text = `${sent.batch.count} records for ${nameOf(sent.queue)}${why}`;
        this.#refused(sent, brokerError(errorCode, text), isHinted);
      }
    }
  }

  #acknowledge({ queue, batch }: SentBatch, baseOffset: number, logAppendTimeMs: number): void {
    queue.acknowledge(batch);
    this.counters.sentBatches += 1;
    this.counters.sentRecords += batch.count;
    this.counters.sentBytes += batch.sizeBytes;
    for (const delivery of batch.deliveries) delivery.onAcknowledged(batch, baseOffset, logAppendTimeMs);
    batch.release();
    this.#host.onDone(batch);
  }

  /** The batch was not written, or nobody knows. It goes back to the front of its partition, unless that is of no use. */
  #refused(sent: SentBatch, error: KafkaError, isHinted = false): void {
    const { queue, batch } = sent;
    queue.leave(batch);
    batch.lastError = error;
    if (this.#closedBy !== undefined) return this.#fail(batch, this.#closedBy);
    if (isSequenceError(error) && batch.baseSequence >= 0) {
      if (queue.hasEarlier(batch)) this.#retry(queue, batch, { now: true });
      else this.#sequenceLost(sent, error);
      return;
    }
    if (error.code === Errors.MESSAGE_TOO_LARGE && batch.count > 1) return this.#split(queue, batch);
    const nowMs = this.#core.ports.clock.monotonicMs();
    const isLate = batch.createdMs + this.#settings.deliveryTimeoutMs <= nowMs;
    if (error.fatal) this.#host.onFatal(error);
    if (!error.retriable || isLate) {
      if (batch.baseSequence >= 0) this.#loseSequence(queue, error);
      const late = ownError('DELIVERY_TIMEOUT', nameOf(queue), { retriable: true, cause: error });
      this.#fail(batch, isLate && error.retriable ? late : error);
      return;
    }
    if (error.code !== undefined && isRetriable(error.code) && !isHinted) this.#core.metadata.stale();
    this.#retry(queue, batch, { now: isHinted });
  }

  /** Too large for the topic: what comes next is made smaller from the start. */
  #split(queue: PartitionQueue, batch: Batch): void {
    this.counters.splitBatches += 1;
    queue.batchBytesMax = Math.min(queue.batchBytesMax, batch.sizeBytes >> 1);
    const parts = splitBatch(batch);
    for (const part of parts) queue.putBack(part);
    this.#pending.add(queue);
    batch.release();
    this.#host.onSplit(batch, parts);
  }

  #retry(queue: PartitionQueue, batch: Batch, { now }: { readonly now: boolean }): void {
    const { clock, random } = this.#core.ports;
    queue.failures += 1;
    this.counters.retriedBatches += 1;
    if (!now) {
      queue.retryAtMs = clock.monotonicMs() + backoffMs(queue.failures, this.#core.settings, random);
    }
    queue.putBack(batch);
    this.#pending.add(queue);
  }

  /**
   * The broker does not know what came before although it was acknowledged: records are gone, or the producer was
   * forgotten.
   */
  #sequenceLost({ queue, batch }: SentBatch, error: KafkaError): void {
    queue.putBack(batch);
    this.#pending.add(queue);
    this.#loseSequence(queue, error);
  }

  #loseSequence(queue: PartitionQueue, error: KafkaError): void {
    if (queue.needsNewEpoch) return;
    queue.needsNewEpoch = true;
    this.#host.onSequenceLost(queue, error);
  }

  #fail(batch: Batch, error: Error): void {
    if (error instanceof KafkaError && this.#closedBy === undefined) this.#host.transaction?.onFailed(error);
    this.counters.failedRecords += batch.count;
    for (const delivery of batch.deliveries) delivery.onFailed(error, batch);
    batch.release();
    this.#host.onDone(batch);
  }

  #arm(dueMs: number, nowMs: number): void {
    if (dueMs === this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerDueMs = dueMs;
    if (dueMs === Infinity) return;
    this.#timer = this.#core.ports.timers.after(Math.max(0, dueMs - nowMs), () => {
      this.#timerDueMs = Infinity;
      this.#drain();
    });
  }
}

function nameOf({ topic, index }: PartitionQueue): string {
  return `${topic.name}-${index}`;
}

function isSequenceError(error: KafkaError): boolean {
  return isKafkaError(error, 'OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'INVALID_PRODUCER_EPOCH');
}
