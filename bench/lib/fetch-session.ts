/**
 * The consumer's half of fetching: where each partition stands, and a fetch session (KIP-227), so that a request names only
 * the partitions whose offset has moved and an answer only those that have something. As the Java consumer does.
 */
import { apiOf } from '../../src/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/frame.ts';
import type { FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { baseOffset, forEachBatch, lastOffset } from '../../src/protocol/record-batch.ts';

const FETCH = apiOf(1)!;
/** The newest that names topics and both sides have. */
const FETCH_VERSION = 12;
/** The Java consumer's defaults. */
const MAX_WAIT_MS = 500;
const MIN_BYTES = 1;
const MAX_BYTES = 50 * 1024 * 1024;
const PARTITION_MAX_BYTES = 1024 * 1024;

/** A whole batch, in a view that is valid during the call. */
export type OnBatch = (buffer: Buffer, at: number, sizeBytes: number) => void;

interface Position {
  readonly partition: number;
  nextOffset: number;
}

export class FetchSession {
  readonly #topics = new Map<string, Map<number, Position>>();
  /** Positions that the broker does not know yet. */
  #moved = new Map<string, Set<Position>>();
  #sessionId = 0;
  #sessionEpoch = 0;
  #correlationId = 0;

  constructor(partitions: readonly (readonly [topic: string, partition: number, nextOffset?: number])[]) {
    for (const [topic, partition, nextOffset = 0] of partitions) {
      const position = { partition, nextOffset };
      const positions = this.#topics.get(topic) ?? new Map<number, Position>();
      this.#topics.set(topic, positions.set(partition, position));
      this.#move(topic, position);
    }
  }

  /** The next offset to read, of every partition. */
  *positions(): Generator<{ topic: string; partition: number; nextOffset: number }> {
    for (const [topic, positions] of this.#topics) {
      for (const position of positions.values()) yield { topic, ...position };
    }
  }

  /** Goes on elsewhere in a partition. */
  seek(topic: string, partition: number, nextOffset: number): void {
    const position = this.#topics.get(topic)!.get(partition)!;
    position.nextOffset = nextOffset;
    this.#move(topic, position);
  }

  /** The next request, size and all. One is sent after the other has been answered. */
  request(): Buffer {
    const topics = [...this.#moved].map(([topic, positions]) => ({
      topic,
      topicId: '',
      partitions: [...positions].map(({ partition, nextOffset }) => ({
        partition,
        currentLeaderEpoch: -1,
        fetchOffset: nextOffset,
        lastFetchedEpoch: -1,
        logStartOffset: -1,
        partitionMaxBytes: PARTITION_MAX_BYTES,
      })),
    }));
    this.#moved = new Map();
    const body = {
      clusterId: null,
      replicaId: -1,
      maxWaitMs: MAX_WAIT_MS,
      minBytes: MIN_BYTES,
      maxBytes: MAX_BYTES,
      isolationLevel: 0,
      sessionId: this.#sessionId,
      sessionEpoch: this.#sessionEpoch,
      topics,
      forgottenTopicsData: [],
      rackId: '',
    };
    const correlationId = ++this.#correlationId;
    const options = { version: FETCH_VERSION, correlationId, clientId: 'headrace-bench', body };
    return Buffer.concat(encodeRequest(FETCH, options));
  }

  /** Takes an answer. Errors: an answer to another request; any error code in it; batches that do not follow one another. */
  take(frame: Buffer, onBatch: OnBatch): void {
    const answer = decodeResponse(FETCH, FETCH_VERSION, frame);
    if (answer.correlationId !== this.#correlationId) throw new Error('an answer to another request');
    const body = answer.body as FetchResponse;
    if (body.errorCode !== 0) throw new Error(`the fetch was refused with error ${body.errorCode}`);
    this.#sessionId = body.sessionId;
    // Without a session (the broker has too many) every request names every partition.
    this.#sessionEpoch = body.sessionId === 0 ? 0 : this.#sessionEpoch + 1;
    for (const { topic, partitions } of body.responses) {
      for (const { partitionIndex, errorCode, records } of partitions) {
        if (errorCode !== 0) throw new Error(`fetch of ${topic}-${partitionIndex}: error ${errorCode}`);
        const position = this.#topics.get(topic)!.get(partitionIndex)!;
        if (this.#read(position, records ?? [], onBatch)) this.#move(topic, position);
      }
    }
    if (body.sessionId !== 0) return;
    for (const [topic, positions] of this.#topics) {
      for (const position of positions.values()) this.#move(topic, position);
    }
  }

  /** True when there was a whole batch. */
  #read(position: Position, records: readonly Buffer[], onBatch: OnBatch): boolean {
    const before = position.nextOffset;
    for (const buffer of records) {
      forEachBatch(buffer, (at, sizeBytes) => {
        if (baseOffset(buffer, at) !== position.nextOffset) {
          throw new Error(`offset ${baseOffset(buffer, at)} came where ${position.nextOffset} was to come`);
        }
        position.nextOffset = lastOffset(buffer, at) + 1;
        onBatch(buffer, at, sizeBytes);
      });
    }
    return position.nextOffset > before;
  }

  #move(topic: string, position: Position): void {
    const moved = this.#moved.get(topic) ?? new Set<Position>();
    this.#moved.set(topic, moved.add(position));
  }
}
