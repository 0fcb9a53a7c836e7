/**
 * The producer that users hold. It finds the partition of each record and puts it into that partition's open batch at once;
 * `sender.ts` decides when batches leave. Only what cannot be placed yet (a topic that is not known, memory that is used up)
 * waits as the record that it is, in the order of the calls.
 */
import type { Timer } from '../../base/ports.ts';
import { SlabPool } from '../../base/slab-pool.ts';
import { unlessAborted } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, connectionError, ownError, type KafkaError } from '../errors.ts';
import { Errors } from '../../protocol/errors.ts';
import { NO_IDENTITY, recordBytesMax, type Batch, type RecordToAppend } from './batch.ts';
import { isSendTraced, traceSend } from '../telemetry/channels.ts';
import { InterceptedDelivery, intercepted } from './interceptors.ts';
import type { ProducerMetrics } from './metrics.ts';
import { GroupDelivery, SingleDelivery, whenDone, WriteDelivery } from './deliveries.ts';
import { ProducerIdentity } from './identity.ts';
import { producerSettings, type ProducerOptions, type ProducerSettings } from './options.ts';
import { PartitionQueue } from './partition-queue.ts';
import { partitionOfKey } from './murmur2.ts';
import { ProducerTopics, type KnownTopic, type WaitingRecord } from './producer-topics.ts';
import type { ProducerRecord, RecordMetadata, SentRange } from './record.ts';
import { Sender, type TransactionHooks } from './sender.ts';

/** Memory of answered batches that is kept for the next ones. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;
/** The first allocation of a batch whose partition had none before. */
const CAPACITY_BYTES_MIN = 8 * 1024;
/** Text keys up to this length need no memory of their own. */
const SCRATCH_BYTES = 4 * 1024;
const NO_BYTES = Buffer.alloc(0);

export class Producer implements AsyncDisposable {
  readonly #core: ClientCore;
  readonly #settings: ProducerSettings;
  readonly #identity: ProducerIdentity;
  readonly #sender: Sender;
  readonly #pool = new SlabPool({ keptBytesMax: KEPT_BYTES_MAX });
  readonly #topics: ProducerTopics;
  /** Batches that are not done with. */
  readonly #live = new Set<Batch>();
  #usedBytes = 0;
  #drained: PromiseWithResolvers<void> | undefined;
  readonly #writes = new WriteDelivery();
  #fatal: KafkaError | undefined;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  /** Used again for each record; nothing keeps it. */
  readonly #entry: RecordToAppend = {
    key: NO_BYTES,
    keySize: -1,
    value: null,
    headers: undefined,
    timestamp: 0,
  };
  /** Where the last record went. */
  #queue!: PartitionQueue;

  /** Users get theirs from `Client.producer`, or a transactional one. */
  constructor(core: ClientCore, options: ProducerOptions = {}, transaction?: TransactionHooks) {
    this.#core = core;
    this.#settings = producerSettings(options);
    this.#identity = new ProducerIdentity(core);
    const identity = this.#identity;
    this.#sender = new Sender({
      core,
      settings: this.#settings,
      host: {
        get identity() {
          return transaction?.identity ?? identity.current;
        },
        transaction,
        mayProduce: () => transaction !== undefined || this.#mayProduce(),
        onSequenceLost: (_queue, cause) => {
          if (transaction === undefined) this.#identity.bump();
          else transaction.onFailed(cause);
        },
        onDone: (batch) => this.#onDone(batch),
        onSplit: (batch, parts) => this.#onSplit(batch, parts),
        onFatal: (error) => this.#onFatal(error),
      },
    });
    this.#topics = new ProducerTopics({
      core,
      settings: this.#settings,
      closing: this.#closing.signal,
      host: {
        isFull: () => this.#isFull,
        place: (topic, waiting) => {
          const batch = this.#place(topic, waiting.record);
          waiting.onPlaced(this.#queue, batch, this.#entry.timestamp);
        },
        onRoom: () => this.#noteRoom(),
      },
    });
  }

  /**
   * Sends one record; resolves when it is acknowledged. Records of one partition are written in the order of the calls. When
   * nothing else is under way it leaves at once, whatever `lingerMs` says. Errors: KafkaError; with a signal its
   * reason, and then the record may still be written.
   */
  send(record: ProducerRecord, options?: { readonly signal?: AbortSignal }): Promise<RecordMetadata> {
    if (!isSendTraced()) return this.#send(record, options);
    const { clientId } = this.#core.settings;
    return traceSend([record], clientId, ([one]) => this.#send(one!, options));
  }

  #send(given: ProducerRecord, options?: { readonly signal?: AbortSignal }): Promise<RecordMetadata> {
    let record: ProducerRecord;
    try {
      record = this.#intercepted(given);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    const topic = this.#ready(record);
    let promise: Promise<RecordMetadata>;
    if (topic === undefined) promise = this.#sendLater(record);
    else {
      let batch: Batch;
      try {
        batch = this.#place(topic, record);
      } catch (error) {
        return Promise.reject(error as Error);
      }
      const { timestamp } = this.#entry;
      const delivery = new SingleDelivery(this.#queue, { index: batch.count - 1, timestamp });
      batch.deliveries.push(delivery);
      ({ promise } = delivery);
    }
    return options?.signal === undefined ? promise : unlessAborted(promise, options.signal);
  }

  /**
   * Sends many records, with one promise for all of them: it resolves when all are acknowledged, and tells where they are, or
   * rejects with the first failure, and then some may have been written.
   */
  sendAll(
    records: Iterable<ProducerRecord>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<SentRange[]> {
    if (!isSendTraced()) return this.#sendAll(records, options);
    return traceSend([...records], this.#core.settings.clientId, (all) => this.#sendAll(all, options));
  }

  #sendAll(
    records: Iterable<ProducerRecord>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<SentRange[]> {
    const group = new GroupDelivery();
    let unplaced = 1;
    const onPlaced = (): void => {
      unplaced -= 1;
      if (unplaced === 0) void group.complete();
    };
    for (const given of records) {
      let record: ProducerRecord;
      try {
        record = this.#intercepted(given);
      } catch (error) {
        group.onFailed(error as Error);
        break;
      }
      const topic = this.#ready(record);
      if (topic !== undefined) {
        try {
          const batch = this.#place(topic, record);
          group.add(this.#queue, batch);
        } catch (error) {
          group.onFailed(error as Error);
          break;
        }
        continue;
      }
      unplaced += 1;
      this.#wait({
        record,
        onPlaced: (queue, batch) => {
          group.add(queue, batch);
          onPlaced();
        },
        onFailed: (error) => group.onFailed(error),
      });
    }
    onPlaced();
    return unlessAborted(group.promise, options?.signal);
  }

  /**
   * Hands over a record without a promise, for streams of many. False: memory is used up; it is taken all the same,
   * but wait for `ready` before the next. Failures come out of the next `flush` or `close`.
   */
  write(given: ProducerRecord): boolean {
    const record = this.#intercepted(given);
    const topic = this.#ready(record);
    if (topic !== undefined) {
      this.#writes.mark(this.#place(topic, record));
    } else {
      this.#wait({
        record,
        onPlaced: (_queue, batch) => this.#writes.mark(batch),
        onFailed: (error) => this.#writes.onFailed(error),
      });
    }
    return !this.#isFull && !this.#topics.areWaiting;
  }

  /** Resolves when there is room for more. */
  ready(): Promise<void> {
    if (!this.#isFull && !this.#topics.areWaiting) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /**
   * Sends at once what waits for company, and resolves when all that was handed over before is acknowledged. Errors: those of
   * `write`.
   */
  async flush(options?: { readonly signal?: AbortSignal }): Promise<void> {
    this.#sender.isFlushing = true;
    try {
      while (this.#topics.areWaiting) await unlessAborted(this.ready(), options?.signal);
      await unlessAborted(whenDone([...this.#live]), options?.signal);
    } finally {
      this.#sender.isFlushing = false;
    }
    const failure = this.#writes.takeFailure();
    if (failure !== undefined) throw failure;
  }

  /** What has been done since the producer was made, and what waits. */
  metrics(): ProducerMetrics {
    const { counters, requestsInFlight } = this.#sender;
    return { ...counters, requestsInFlight, bufferedBytes: this.#usedBytes };
  }

  /** For transactions: batches may leave that could not before. */
  wake(): void {
    this.#sender.wake();
  }

  /** For transactions: what has not left fails with this error. */
  drop(error: Error): void {
    this.#topics.fail(error);
    this.#sender.failAll(error);
  }

  /** Flushes, for `timeoutMs` at most (default: `deliveryTimeoutMs`), and closes. What is left then fails with CLOSED. */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeoutMs ?? this.#settings.deliveryTimeoutMs);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#core.ports.timers.after(timeoutMs, resolve);
    });
    const flushed = this.flush();
    try {
      await Promise.race([flushed, late]);
    } finally {
      timer?.cancel();
      flushed.catch(() => {});
      const error = ownError('CLOSED', 'the producer was closed before the record was acknowledged');
      this.#fatal ??= error;
      this.#closing.abort(error);
      this.#topics.close();
      this.#topics.fail(error);
      this.#sender.close(error);
    }
  }

  get #isFull(): boolean {
    return this.#usedBytes >= this.#settings.bufferBytes;
  }

  /** The record's topic when it can be placed at once. */
  #ready(record: ProducerRecord): KnownTopic | undefined {
    if (this.#usedBytes >= this.#settings.bufferBytes || this.#fatal !== undefined) return undefined;
    return this.#topics.ready(record.topic);
  }

  #intercepted(record: ProducerRecord): ProducerRecord {
    const { interceptors } = this.#settings;
    return interceptors.length === 0 ? record : intercepted(interceptors, record);
  }

  #sendLater(record: ProducerRecord): Promise<RecordMetadata> {
    const { promise, resolve, reject } = Promise.withResolvers<RecordMetadata>();
    this.#wait({
      record,
      onPlaced: (queue, batch, timestamp) => {
        const delivery = new SingleDelivery(queue, { index: batch.count - 1, timestamp });
        batch.deliveries.push(delivery);
        resolve(delivery.promise);
      },
      onFailed: reject,
    });
    return promise;
  }

  #wait(waiting: WaitingRecord): void {
    if (this.#fatal === undefined) this.#topics.wait(waiting);
    else waiting.onFailed(this.#fatal);
  }

  #noteRoom(): void {
    if (this.#drained === undefined || this.#isFull || this.#topics.areWaiting) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }

  /**
   * Puts the record into its partition's open batch, or a new one. `#queue` and `#entry` tell where and when. Throws
   * KafkaError.
   */
  #place(topic: KnownTopic, record: ProducerRecord): Batch {
    const { requestBytesMax, interceptors } = this.#settings;
    const { key } = record;
    const entry = this.#entry;
    if (key === undefined || key === null) {
      entry.key = NO_BYTES;
      entry.keySize = -1;
    } else if (typeof key === 'string') this.#encodeKey(key);
    else {
      entry.key = key;
      entry.keySize = key.length;
    }
    entry.value = record.value;
    entry.headers = record.headers;
    entry.timestamp = record.timestamp ?? this.#core.ports.clock.nowMs();
    const queue = this.#queueOf(topic, record);
    this.#queue = queue;
    const batchBytes = Math.min(this.#settings.batchBytes, queue.batchBytesMax);
    let batch = queue.open;
    const before = batch === undefined ? 0 : batch.sizeBytes;
    if (batch !== undefined && batch.append(entry, batchBytes)) {
      this.#account(topic, batch.sizeBytes - before);
      if (batch.sizeBytes >= batchBytes) {
        batch.isClosed = true;
        this.#sender.wake();
      }
      return batch;
    }
    const bytesMax = recordBytesMax(entry);
    if (bytesMax > requestBytesMax) {
      const message = `a record of up to ${bytesMax} bytes, requestBytesMax is ${requestBytesMax}`;
      throw brokerError(Errors.MESSAGE_TOO_LARGE, message);
    }
    if (batch !== undefined) batch.isClosed = true;
    const guess = queue.lastBatchBytes + (queue.lastBatchBytes >> 2);
    batch = queue.push({
      pool: this.#pool,
      capacityBytes: Math.max(CAPACITY_BYTES_MIN, Math.min(guess, batchBytes)),
      createdMs: this.#core.ports.clock.monotonicMs(),
    });
    batch.append(entry, batchBytes);
    if (interceptors.length > 0) batch.deliveries.push(new InterceptedDelivery(interceptors, queue));
    this.#live.add(batch);
    this.#account(topic, batch.sizeBytes);
    this.#sender.add(queue);
    return batch;
  }

  #account(topic: KnownTopic, sizeBytes: number): void {
    this.#usedBytes += sizeBytes;
    topic.sticky.note(sizeBytes);
  }

  #encodeKey(key: string): void {
    const entry = this.#entry;
    if (key.length * 3 <= SCRATCH_BYTES) {
      entry.key = this.#scratch;
      entry.keySize = this.#scratch.write(key, 0, 'utf8');
    } else {
      entry.key = Buffer.from(key);
      entry.keySize = entry.key.length;
    }
  }

  #queueOf(topic: KnownTopic, record: ProducerRecord): PartitionQueue {
    const { length: count } = topic.info.partitions;
    const { key, keySize } = this.#entry;
    const index =
      record.partition ??
      this.#settings.partitioner?.(record, topic.info.partitions) ??
      (keySize >= 0 ? partitionOfKey(key, keySize, count) : topic.sticky.next());
    const queue = topic.queues[index];
    if (queue !== undefined) return queue;
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw ownError('INVALID_ARGUMENT', `topic ${topic.name} has ${count} partitions, none is ${index}`);
    }
    return (topic.queues[index] = new PartitionQueue(topic, index));
  }

  #onDone(batch: Batch): void {
    this.#live.delete(batch);
    this.#usedBytes -= batch.sizeBytes;
    if (this.#topics.areWaiting) this.#topics.place();
    else this.#noteRoom();
  }

  #onSplit(batch: Batch, parts: readonly Batch[]): void {
    this.#live.delete(batch);
    this.#usedBytes -= batch.sizeBytes;
    for (const part of parts) {
      this.#live.add(part);
      this.#usedBytes += part.sizeBytes;
    }
  }

  #onFatal(error: KafkaError): void {
    if (this.#fatal !== undefined) return;
    this.#fatal = error;
    this.#topics.fail(error);
    this.#sender.failAll(error);
  }

  #mayProduce(): boolean {
    if (!this.#settings.isIdempotent || this.#identity.current !== NO_IDENTITY) return true;
    this.#identity.acquire(this.#closing.signal).then(
      () => this.#sender.wake(),
      (error: unknown) => {
        if (!this.#closing.signal.aborted) this.#onFatal(connectionError(error, 'asking for a producer id'));
      },
    );
    return false;
  }
}
