import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiOf } from '../../src/protocol/apis.ts';
import { decodeRequest, encodeWholeResponse } from '../../src/protocol/frame.ts';
import type { FetchRequest } from '../../src/protocol/messages/01-fetch.ts';
import { setBaseOffset } from '../../src/protocol/record-batch.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import { FetchSession } from './fetch-session.ts';

const FETCH = apiOf(1)!;
const VERSION = 12;

function batch(offset: number, records: number): Buffer {
  const all = Array.from({ length: records }, () => ({ key: null, value: Buffer.from('x') }));
  const built = buildBatch({ records: all });
  setBaseOffset(built, 0, offset);
  return built;
}

interface Answer {
  /** Of the request that is answered, which is the session's first by default. */
  readonly correlationId?: number;
  readonly sessionId: number;
  readonly errorCode?: number;
  readonly partitions: readonly {
    readonly index: number;
    readonly error?: number;
    readonly records: Buffer;
  }[];
}

function answer({ correlationId = 1, sessionId, errorCode = 0, partitions }: Answer): Buffer {
  const list = partitions.map(({ index, error = 0, records }) => ({
    partitionIndex: index,
    errorCode: error,
    highWatermark: 100,
    lastStableOffset: 100,
    logStartOffset: 0,
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: [records],
  }));
  const responses = list.length === 0 ? [] : [{ topic: 'a-topic', topicId: '', partitions: list }];
  const body = { throttleTimeMs: 0, errorCode, sessionId, responses };
  return encodeWholeResponse(FETCH, VERSION, correlationId, body).subarray(4);
}

function asked(session: FetchSession) {
  const body = decodeRequest(FETCH, VERSION, session.request().subarray(4)).body as FetchRequest;
  const partitions = body.topics.flatMap((topic) => topic.partitions);
  const offsets = partitions.map(({ partition, fetchOffset }) => [partition, fetchOffset]);
  return { sessionId: body.sessionId, sessionEpoch: body.sessionEpoch, offsets };
}

const open = (): FetchSession =>
  new FetchSession([
    ['a-topic', 0],
    ['a-topic', 1, 40],
  ]);

test('a session begins with all partitions, then names those that moved', () => {
  const session = open();
  const all = [
    [0, 0],
    [1, 40],
  ];
  assert.deepEqual(asked(session), { sessionId: 0, sessionEpoch: 0, offsets: all });
  const seen: number[] = [];
  const records = Buffer.concat([batch(40, 2), batch(42, 3), batch(45, 9).subarray(0, 30)]);
  const partitions = [{ index: 1, records }];
  session.take(answer({ sessionId: 5, partitions }), (_, __, sizeBytes) => seen.push(sizeBytes));
  assert.deepEqual(seen, [batch(40, 2).length, batch(42, 3).length]);
  assert.deepEqual(asked(session), { sessionId: 5, sessionEpoch: 1, offsets: [[1, 45]] });
  session.take(answer({ correlationId: 2, sessionId: 5, partitions: [] }), () =>
    assert.fail('there was no batch'),
  );
  assert.deepEqual(asked(session), { sessionId: 5, sessionEpoch: 2, offsets: [] });
});

test('without a session every request names all partitions', () => {
  const session = open();
  session.request();
  session.take(answer({ sessionId: 0, partitions: [{ index: 0, records: batch(0, 1) }] }), () => {});
  assert.deepEqual(asked(session).offsets.toSorted(), [
    [0, 1],
    [1, 40],
  ]);
});

test('errors and offsets that do not follow end the reading', () => {
  const take = (given: Answer): void => {
    const session = open();
    session.request();
    session.take(answer(given), () => {});
  };
  assert.throws(() => take({ correlationId: 2, sessionId: 5, partitions: [] }), /another request/);
  assert.throws(() => take({ sessionId: 5, errorCode: 70, partitions: [] }), /error 70/);
  const empty = Buffer.alloc(0);
  assert.throws(
    () => take({ sessionId: 5, partitions: [{ index: 1, error: 1, records: empty }] }),
    /error 1/,
  );
  assert.throws(
    () => take({ sessionId: 5, partitions: [{ index: 0, records: batch(1, 1) }] }),
    /offset 1 came/,
  );
  const repeated = Buffer.concat([batch(0, 2), batch(1, 2)]);
  assert.throws(() => take({ sessionId: 5, partitions: [{ index: 0, records: repeated }] }), /offset 1 came/);
});

test('a session goes on where it is told to', () => {
  const session = open();
  session.request();
  session.take(answer({ sessionId: 5, partitions: [{ index: 0, records: batch(0, 3) }] }), () => {});
  session.seek('a-topic', 0, 0);
  assert.deepEqual(asked(session).offsets, [[0, 0]]);
});
