/**
 * Produce requests made in advance. A request is a copy of one frame in which only what differs is put in its place before
 * it goes out: the correlation id, the partitions, and in stamped batches the time at which the request was meant to leave,
 * which is the first 8 bytes of the first record's value, and with it the checksum.
 */
import { apiOf } from '../../../src/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../../src/protocol/frame.ts';
import { BATCH_HEADER_BYTES, batchSizeBytes, updateCrc } from '../../../src/protocol/record-batch.ts';
import { buildBatch } from '../../../src/protocol/records.ts';

/** The newest that names topics and both sides have. */
export const PRODUCE_VERSION = 9;
export const ACKS_ALL = -1;
const PRODUCE = apiOf(0)!;
const REQUEST_TIMEOUT_MS = 30_000;
const CORRELATION_ID_AT = 8;
/** What takes the places of the time and of the partition until they are found in the frame. */
const STAMP_MARK = Buffer.from('stamp@@@');
const PARTITION_MARK = 0x0b1e55ed;

export interface ProduceShape {
  /** Of a record's value; at least 8. */
  readonly recordBytes: number;
  readonly recordsPerBatch: number;
  /** Each to another partition. */
  readonly batchesPerRequest: number;
  readonly isStamped: boolean;
}

/** A batch as it is sent, with the mark where the time goes. */
function batchOf(shape: ProduceShape): Buffer {
  const { recordBytes, recordsPerBatch } = shape;
  const records = Array.from({ length: recordsPerBatch }, (_, index) => {
    const value = Buffer.alloc(recordBytes, `headrace ${index} `);
    if (index === 0) STAMP_MARK.copy(value);
    return { key: null, value, timestamp: Date.now() };
  });
  return buildBatch({ records });
}

/** Where a batch has its time, from its beginning. */
export function stampPosition(shape: ProduceShape): number {
  return batchOf(shape).indexOf(STAMP_MARK, BATCH_HEADER_BYTES);
}

export function batchBytesOf(shape: ProduceShape): number {
  return batchSizeBytes(batchOf(shape));
}

/** The frames for one topic: takes one for each request, and takes it back once its bytes have left. */
export class ProduceFrames {
  readonly #template: Buffer;
  readonly #isStamped: boolean;
  readonly #batchAt: number[] = [];
  readonly #partitionAt: number[] = [];
  readonly #stampFromBatch: number;
  readonly #free: Buffer[] = [];

  constructor(topic: string, shape: ProduceShape) {
    const records = batchOf(shape);
    this.#isStamped = shape.isStamped;
    this.#stampFromBatch = records.indexOf(STAMP_MARK, BATCH_HEADER_BYTES);
    const partitionData = Array.from({ length: shape.batchesPerRequest }, () => ({
      index: PARTITION_MARK,
      records,
    }));
    const body = {
      acks: ACKS_ALL,
      timeoutMs: REQUEST_TIMEOUT_MS,
      topicData: [{ name: topic, topicId: '', partitionData }],
    };
    const options = { version: PRODUCE_VERSION, correlationId: 0, clientId: 'headrace-bench', body };
    this.#template = Buffer.concat(encodeRequest(PRODUCE, options));
    const mark = Buffer.alloc(4);
    mark.writeInt32BE(PARTITION_MARK);
    for (let from = 0; this.#batchAt.length < shape.batchesPerRequest;) {
      const partitionAt = this.#template.indexOf(mark, from);
      const stampAt = this.#template.indexOf(STAMP_MARK, partitionAt);
      if (partitionAt < 0 || stampAt < 0) throw new Error('the request has not the shape that was asked for');
      this.#partitionAt.push(partitionAt);
      this.#batchAt.push(stampAt - this.#stampFromBatch);
      from = stampAt;
    }
  }

  get sizeBytes(): number {
    return this.#template.length;
  }

  /** To partition `first` and those after it, of `partitions`. */
  take(request: {
    readonly correlationId: number;
    readonly first: number;
    readonly partitions: number;
    readonly stampMicros: number;
  }): Buffer {
    const frame = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#template.length).fill(this.#template);
    frame.writeInt32BE(request.correlationId, CORRELATION_ID_AT);
    for (let index = 0; index < this.#batchAt.length; index++) {
      frame.writeInt32BE((request.first + index) % request.partitions, this.#partitionAt[index]);
      if (!this.#isStamped) continue;
      const batchAt = this.#batchAt[index];
      frame.writeDoubleBE(request.stampMicros, batchAt + this.#stampFromBatch);
      updateCrc(frame, batchAt);
    }
    return frame;
  }

  giveBack(frame: Buffer): void {
    this.#free.push(frame);
  }
}

/** Bytes of a partition's answer that has no error: there is nothing of variable length in it then. */
const ANSWER_BYTES = 4 + 2 + 8 + 8 + 8 + 1 + 1 + 1;

/**
 * The correlation id of an answer, once it is certain that no partition has an error. Looks at error codes where they must
 * be in an answer without errors; any other answer is decoded in full, to tell what it says. Errors: what the broker says.
 */
export function checkProduced(frame: Buffer, batches: number): number {
  const correlationId = frame.readInt32BE(0);
  // Correlation id, tags of the header, then the number of topics and the length of the name, each plus one and in a byte.
  const partitionsAt = 4 + 1 + 1 + 1 + (frame[6] - 1);
  const end = partitionsAt + 1 + batches * ANSWER_BYTES;
  let isFine = frame[5] === 2 && frame[partitionsAt] === batches + 1 && frame.length > end;
  for (let at = partitionsAt + 1; isFine && at < end; at += ANSWER_BYTES) {
    isFine = frame.readInt16BE(at + 4) === 0;
  }
  if (isFine) return correlationId;
  const { body } = decodeResponse(PRODUCE, PRODUCE_VERSION, frame);
  throw new Error(`produce was refused: ${JSON.stringify(body).slice(0, 500)}`);
}
