/**
 * Fetch: offsets, limits, epochs, sessions, waiting.
 *
 * Named exceptions, which are not asked here: Kafka fails over values that it does not expect, and says
 * UNKNOWN_SERVER_ERROR (-1), which tells a client nothing and which none can rely on; Headrace is lenient.
 * - A negative `maxBytes` of a partition: Kafka fails in that partition; of the request: in the first partition
 *   that it reads. For Headrace it is 0: one batch comes all the same, of the first partition that has any.
 * - An `isolationLevel` other than 0 and 1: Kafka fails as a whole. For Headrace it is 0, read_uncommitted.
 */
import type { TestContext } from 'node:test';

import { buildBatch } from '../../../src/protocol/records.ts';
import type { Answer, Side, TwoBrokers } from '../two-brokers.ts';
import {
  batchOf,
  DELETE_RECORDS,
  FETCH,
  fetchBody,
  fetchTopic,
  PRODUCE,
  produceBody,
  type Wanted,
} from './batches.ts';

const VERSIONS = [4, 18] as const;
const BY_NAME = [4, 12] as const;

export async function fetchScenarios(t: TestContext, both: TwoBrokers): Promise<void> {
  const fetch = (what: string, wanted: Wanted, more: object = {}, version = 17) =>
    both.same(what, FETCH, version, fetchBody('read', [wanted], more));
  const each = (what: string, wanted: Wanted, more: object = {}) =>
    both.each(what, FETCH, VERSIONS, fetchBody('read', [wanted], more));

  await both.createTopics({
    read: {},
    others: { partitions: 4 },
    empty: {},
    session: { partitions: 2 },
    late: {},
  });

  await both.scenario(t, 'Fetch: offsets', async () => {
    for (const values of [['a', 'b', 'c'], ['d'], ['x'.repeat(2000)], ['e', 'f'], ['g']]) {
      await both.same('what is read', PRODUCE, 12, produceBody('read', [[0, batchOf(values)]]));
    }
    await both.same(
      'compressed',
      PRODUCE,
      12,
      produceBody('read', [[0, batchOf(['h', 'i'], { compression: 'lz4' })]]),
    );
    for (const offset of [0, 1, 2, 3, 5, 8, 9, 10]) await each(`from ${offset}`, { at: offset });
    for (const offset of [11, 99, -1, -2]) await each(`from ${offset}`, { at: offset });
    await both.each('an empty partition', FETCH, VERSIONS, fetchBody('empty', [{}]));
    await both.each('beyond an empty partition', FETCH, VERSIONS, fetchBody('empty', [{ at: 1 }]));
    await both.each(
      'a wrong partition',
      FETCH,
      VERSIONS,
      fetchBody('read', [{ partition: 3 }, { partition: -1 }]),
    );
    await both.each('an unknown topic', FETCH, VERSIONS, fetchBody('nobody', [{}]));
    await both.each('an invalid name', FETCH, BY_NAME, fetchBody('b ad', [{}]));
    await both.each('nothing', FETCH, VERSIONS, fetchBody('read', [], { topics: [] }));
    await both.each('no partitions', FETCH, VERSIONS, fetchBody('read', []));
    await both.each('an unknown id', FETCH, [13, 18], {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [
        {
          topicId: 'an id of nothing',
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }],
        },
      ],
    });
    await both.same('the same twice', FETCH, 12, fetchBody('read', [{ at: 0 }, { at: 9 }]));
    await both.same('the same twice, by id', FETCH, 17, fetchBody('read', [{ at: 9 }, { at: 0 }]));
    await both.same('an internal topic', FETCH, 12, fetchBody('__consumer_offsets', [{}]));
  });

  await both.scenario(t, 'Fetch: limits', async () => {
    for (const maxBytes of [0, 1, 60, 79, 80, 100, 150, 160, 2000, 1 << 20, 2 ** 31 - 1]) {
      await fetch(`at most ${maxBytes} of a partition`, { maxBytes });
      await fetch(`at most ${maxBytes} of the partition's middle`, { at: 3, maxBytes });
      await fetch(`at most ${maxBytes} in all`, {}, { maxBytes });
      await fetch(`at most ${maxBytes} in all, as version 4`, { at: 1 }, { maxBytes }, 4);
    }
    for (let partition = 0; partition < 4; partition++) {
      for (const value of ['one', 'two', 'x'.repeat(300)]) {
        await both.same('for several', PRODUCE, 12, produceBody('others', [[partition, batchOf([value])]]));
      }
    }
    const wanted = (maxBytes: number): Wanted[] => [2, 0, 3, 1].map((partition) => ({ partition, maxBytes }));
    for (const maxBytes of [0, 1, 71, 72, 150, 1 << 20]) {
      await both.same(`several of ${maxBytes} each`, FETCH, 12, fetchBody('others', wanted(maxBytes)));
      await both.same(
        `several of ${maxBytes} in all`,
        FETCH,
        12,
        fetchBody('others', wanted(1 << 20), { maxBytes }),
      );
      await both.same(`several of ${maxBytes} in all, from the middle`, FETCH, 12, (side: Side) => ({
        ...fetchBody('others', [], { maxBytes })(side),
        topics: [
          fetchTopic(side, 'empty', [{}]),
          fetchTopic(side, 'others', [{ partition: 1, at: 3 }, { partition: 0, at: 2 }, { partition: 2 }]),
          fetchTopic(side, 'read', [{ at: 4 }]),
        ],
      }));
    }
  });

  await both.scenario(t, 'Fetch: epochs', async () => {
    for (const epoch of [-1, 0, 1, 99, -2]) await each(`current epoch ${epoch}`, { epoch });
    for (const lastEpoch of [-1, 0, 1, 99]) {
      for (const offset of [0, 5, 10, 11]) {
        await both.each(
          `last fetched epoch ${lastEpoch} at ${offset}`,
          FETCH,
          [11, 18],
          fetchBody('read', [{ lastEpoch, at: offset }]),
        );
      }
      await fetch(`last fetched epoch ${lastEpoch} with epoch 1`, { lastEpoch, epoch: 1 });
    }
  });

  await both.scenario(t, 'Fetch: who asks, and how', async () => {
    for (const isolationLevel of [0, 1])
      await each(`isolation ${isolationLevel}`, { at: 9 }, { isolationLevel });
    await fetch('with a rack', { at: 9 }, { rackId: 'here' });
    await fetch('with a cluster id', { at: 9 }, { clusterId: 'another' });
    await fetch('as a debugging consumer', { at: 9 }, { replicaId: -2 }, 14);
    await fetch('waiting for nothing', { at: 9 }, { maxWaitMs: 5000, minBytes: 1 });
    await fetch('waiting in vain', { at: 10 }, { maxWaitMs: 50, minBytes: 1 });
    await fetch('not waiting past an error', { at: 99 }, { maxWaitMs: 10_000, minBytes: 1 });
    await fetch('waiting for too much', { at: 9 }, { maxWaitMs: 50, minBytes: 1 << 20 });
    await fetch('a negative wait', { at: 10 }, { maxWaitMs: -1, minBytes: 1 });
    const waiting = both.same(
      'woken by a record',
      FETCH,
      12,
      fetchBody('late', [{}], { maxWaitMs: 10_000, minBytes: 1 }),
      {
        by: 'waiting',
      },
    );
    await both.same('which wakes', PRODUCE, 12, produceBody('late', [[0, batchOf(['now'])]]));
    await waiting;
  });

  await both.scenario(t, 'Fetch: answers come in the order of the requests', async () => {
    const waiting = {
      key: FETCH,
      version: 12,
      body: fetchBody('late', [{ at: 1 }], { maxWaitMs: 100, minBytes: 1 }),
    };
    const ready = { key: FETCH, version: 12, body: fetchBody('late', [{}]) };
    const written = { key: PRODUCE, version: 12, body: produceBody('late', [[0, batchOf(['more'])]]) };
    const failed = { key: PRODUCE, version: 12, body: produceBody('nobody', [[0, batchOf(['more'])]]) };
    await both.samePipelined('a wait before others', [waiting, ready, written, failed, ready]);
    await both.samePipelined('writes and reads', [written, ready, written, written, ready, failed, ready]);
  });

  await both.scenario(t, 'Fetch: topics that are there beside others', async () => {
    for (const version of [4, 12, 13, 18]) {
      await both.same('known, unknown, known', FETCH, version, (side: Side) => ({
        ...fetchBody('read', [])(side),
        topics: [
          fetchTopic(side, 'late', [{ maxBytes: 10 }]),
          { ...fetchTopic(side, 'nobody', [{}]), topicId: 'an id of nothing' },
          fetchTopic(side, 'empty', [{}, { partition: 4 }, { at: 7 }]),
        ],
      }));
      const waiting = { maxWaitMs: 100, minBytes: 1 };
      await both.same('an unknown one', FETCH, version, fetchBody('empty', [{}, { partition: 9 }], waiting));
    }
  });

  await both.scenario(t, 'Fetch: after DeleteRecords', async () => {
    const upTo = (offset: number, more: object = {}) => ({
      timeoutMs: 5000,
      topics: [{ name: 'read', partitions: [{ partitionIndex: 0, offset }] }],
      ...more,
    });
    const remove = (offset: number) => both.each(`up to ${offset}`, DELETE_RECORDS, [0, 2], upTo(offset));
    for (const offset of [0, 1, 4, 99, -2, 2, -3]) await remove(offset);
    for (const offset of [0, 3, 4, 5]) await each(`from ${offset}`, { at: offset });
    await both.each('mistakes', DELETE_RECORDS, [0, 2], {
      timeoutMs: 5000,
      topics: [
        { name: 'read', partitions: [{ partitionIndex: 7, offset: 0 }] },
        { name: 'nobody', partitions: [{ partitionIndex: 0, offset: 0 }] },
        { name: 'b ad', partitions: [{ partitionIndex: 0, offset: 0 }] },
        { name: 'compact', partitions: [{ partitionIndex: 0, offset: 1 }] },
        { name: '__consumer_offsets', partitions: [{ partitionIndex: 0, offset: 0 }] },
      ],
    });
    await both.same('nothing', DELETE_RECORDS, 2, { timeoutMs: 1, topics: [] });
    await remove(-1);
    await each('from the end', { at: 10 });
    await each('from the beginning', { at: 0 });
    await both.same('again', PRODUCE, 12, produceBody('read', [[0, batchOf(['again'])]]));
    await fetch('again', { at: 10 });
  });

  await both.scenario(t, 'Fetch: sessions', async () => {
    const batch = (value: string) =>
      buildBatch({ records: [{ key: null, value: Buffer.from(value), timestamp: 5 }] });
    for (const version of [7, 12, 13, 17]) {
      const name = `session ${version}`;
      const session = (what: string, sessionEpoch: number, wanted: readonly Wanted[], more: object = {}) =>
        both.same(what, FETCH, version, (side: Side) => ({
          ...fetchBody('session', wanted, { sessionEpoch, ...more })(side),
          ...(wanted.length === 0 ? { topics: [] } : undefined),
          sessionId: side.the(name),
        }));
      await both.same(
        'a new session',
        FETCH,
        version,
        fetchBody('session', [{}, { partition: 1 }], { sessionEpoch: 0 }),
        {
          keep: { [name]: (answer: Answer) => answer.sessionId },
        },
      );
      await session('nothing new', 1, []);
      await both.same('for the session', PRODUCE, 12, produceBody('session', [[0, batch('s')]]));
      await session('something new', 2, []);
      await session('not asked for again', 3, [{ at: version }]);
      await session('a wrong epoch', 9, []);
      await session('an old epoch', 2, []);
      await session('beyond the end', 4, [{ partition: 1, at: 500 }]);
      await session('still beyond the end', 5, []);
      await session('a partition that is not there', 6, [{ partition: 9 }]);
      await session('forgotten', 7, [], {
        forgottenTopicsData: [{ topic: 'session', topicId: '', partitions: [] }],
      });
      await both.same('forgotten', FETCH, version, (side: Side) => ({
        ...fetchBody('session', [], { sessionEpoch: 8, topics: [] })(side),
        sessionId: side.the(name),
        forgottenTopicsData: [{ topic: 'session', topicId: side.the('id of session'), partitions: [0, 9] }],
      }));
      await session('what remains', 9, []);
      await both.same('the other way to name topics', FETCH, version >= 13 ? 12 : 13, (side: Side) => ({
        ...fetchBody('session', [{}], { sessionEpoch: 10 })(side),
        sessionId: side.the(name),
      }));
      await session('the end', -1, []);
      await session('after the end', 11, []);
    }
    await both.each(
      'an unknown session',
      FETCH,
      [7, 18],
      fetchBody('session', [{}], { sessionId: 12345, sessionEpoch: 1 }),
    );
    await both.each(
      'an unknown session, closed',
      FETCH,
      [7, 18],
      fetchBody('session', [{}], { sessionId: 12345, sessionEpoch: -1 }),
    );
    await both.each(
      'no session, some epoch',
      FETCH,
      [7, 18],
      fetchBody('session', [{}], { sessionId: 0, sessionEpoch: 5 }),
    );
    await both.each(
      'no session',
      FETCH,
      [7, 18],
      fetchBody('session', [{ partition: 1 }], { sessionEpoch: -1 }),
    );
  });
}
