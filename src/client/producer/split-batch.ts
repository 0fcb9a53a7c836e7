/**
 * A batch that the broker finds too large, as two: what limits it is the topic's `max.message.bytes`, which a producer does
 * not know before. The halves take the places of the whole, in the row of the partition and in its sequence numbers, so
 * that what was sent behind it stays right.
 */
import { assert } from '../../base/assert.ts';
import { forEachRecord } from '../../protocol/records.ts';
import { Batch, SEQUENCE_COUNT, type RecordToAppend } from './batch.ts';

const NO_BYTES = Buffer.alloc(0);

/**
 * Of a sealed batch with two records or more. Whoever waited for the whole waits for the halves; the caller releases the
 * whole.
 */
export function splitBatch(whole: Batch): [first: Batch, second: Batch] {
  assert(whole.count > 1, 'a batch with one record cannot be split');
  const at = Math.ceil(whole.count / 2);
  const span = whole.span / 2;
  const half = (order: number): Batch =>
    new Batch({
      pool: whole.pool,
      capacityBytes: whole.sizeBytes,
      createdMs: whole.createdMs,
      order,
      span,
    });
  const first = half(whole.order);
  const second = half(whole.order + span);
  const entry: RecordToAppend = { key: NO_BYTES, keySize: -1, value: null, headers: undefined, timestamp: 0 };
  let index = 0;
  forEachRecord(
    whole.sealed,
    ({ key, value, headers, timestamp }) => {
      entry.key = key ?? NO_BYTES;
      entry.keySize = key === null ? -1 : key.length;
      entry.value = value;
      entry.headers = headers.map((one) => [one.key, one.value] as const);
      entry.timestamp = timestamp;
      (index < at ? first : second).append(entry, Infinity);
      index += 1;
    },
    { maxDecompressedBytes: whole.sizeBytes },
  );
  for (const one of [first, second]) {
    one.isClosed = true;
    one.identity = whole.identity;
    one.lastError = whole.lastError;
    // As one that is repeated it leaves when nothing else is under way.
    one.attempts = whole.attempts;
  }
  if (whole.baseSequence >= 0) {
    first.baseSequence = whole.baseSequence;
    second.baseSequence = (whole.baseSequence + at) % SEQUENCE_COUNT;
  }
  for (const delivery of whole.deliveries) {
    const [ofFirst, ofSecond] = delivery.split(at);
    if (ofFirst !== undefined) first.deliveries.push(ofFirst);
    if (ofSecond !== undefined) second.deliveries.push(ofSecond);
  }
  return [first, second];
}
