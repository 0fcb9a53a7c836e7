/** Where offsets are looked up, logs described and producers counted. */
import type { TestContext } from 'node:test';

import { buildBatch } from '../../../src/protocol/records.ts';
import type { Answer, Side, TwoBrokers } from '../two-brokers.ts';
import {
  batchOf,
  DELETE_RECORDS,
  FETCH,
  fetchBody,
  LIST_OFFSETS,
  listBody,
  PRODUCE,
  produceBody,
  sequenced,
  T0,
} from './batches.ts';

const [INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH, ALTER_LOG_DIRS, DESCRIBE_LOG_DIRS, DESCRIBE_PRODUCERS] = [
  22, 23, 34, 35, 61,
];
const VERSIONS = [1, 11] as const;
const SEQUENCE_MAX = 2 ** 31 - 1;

export async function offsetScenarios(t: TestContext, both: TwoBrokers): Promise<void> {
  const produce = (what: string, topic: string, records: Buffer | ((side: Side) => Buffer), version = 12) =>
    both.same(what, PRODUCE, version, (side: Side) =>
      produceBody(topic, [[0, typeof records === 'function' ? records(side) : records]])(side),
    );
  const list = (what: string, topic: string, timestamp: number, more: object = {}, partition: object = {}) =>
    both.each(what, LIST_OFFSETS, VERSIONS, listBody(topic, timestamp, more, partition));
  const at = (times: readonly number[], compression: 'none' | 'gzip' = 'none') =>
    buildBatch({
      records: times.map((ms) => ({ key: null, value: Buffer.from('t'), timestamp: T0 + ms })),
      compression,
    });

  await both.createTopics({ listed: {}, bare: {}, idempotent: {}, sequences: { partitions: 2 } });

  await both.scenario(t, 'ListOffsets', async () => {
    await produce('for times', 'listed', at([100, 200, 300]));
    await produce('for times', 'listed', at([150, 500, 400], 'gzip'));
    await produce('for times', 'listed', at([500]));
    await produce('for times', 'listed', at([450, 600], 'gzip'));
    await produce('for times', 'listed', at([600]));
    for (const special of [-1, -2, -3, -4, -5, -6, -7, -100]) {
      await list(`special ${special}`, 'listed', special);
      await list(`special ${special} of nothing`, 'bare', special);
      await both.each(
        `special ${special}, committed`,
        LIST_OFFSETS,
        [2, 11],
        listBody('listed', special, { isolationLevel: 1 }),
      );
    }
    for (const ms of [0, 99, 100, 101, 150, 200, 301, 400, 401, 450, 500, 501, 600, 601]) {
      await list(`at ${ms}`, 'listed', T0 + ms);
    }
    await list('at zero', 'listed', 0);
    await list('in an empty partition', 'bare', T0);
    for (const currentLeaderEpoch of [0, 1, 99, -2]) {
      for (const special of [-1, -2, -3, T0]) {
        await list(
          `${special} at epoch ${currentLeaderEpoch}`,
          'listed',
          special,
          {},
          { currentLeaderEpoch },
        );
      }
    }
    await list('a wrong partition', 'listed', -1, {}, { partitionIndex: 8 });
    await list('an unknown topic', 'nobody', -1);
    await list('an invalid name', 'b ad', -1);
    const one = (timestamp: number, partitionIndex = 0) => ({ partitionIndex, timestamp });
    const listed = (...partitions: object[]) => ({ name: 'listed', partitions });
    const more = (topics: object[]): object => ({ replicaId: -1, topics, timeoutMs: 1000 });
    await both.each('a partition twice', LIST_OFFSETS, VERSIONS, more([listed(one(-1), one(-2))]));
    await both.each('a topic twice', LIST_OFFSETS, VERSIONS, more([listed(one(-1)), listed(one(-2))]));
    await both.each(
      'one twice, one not',
      LIST_OFFSETS,
      VERSIONS,
      more([listed(one(-1), one(-2), one(-1, 4)), { name: 'bare', partitions: [one(-1)] }]),
    );
    await both.each('nothing', LIST_OFFSETS, VERSIONS, more([]));
    await both.each('no partitions', LIST_OFFSETS, VERSIONS, more([listed()]));
    await both.same('as a replica that is none', LIST_OFFSETS, 8, {
      ...more([listed(one(-1))]),
      replicaId: 5,
    });
    await both.same('for debugging', LIST_OFFSETS, 8, { ...more([listed(one(-1))]), replicaId: -2 });
    await both.same('some gone', DELETE_RECORDS, 2, {
      timeoutMs: 1000,
      topics: [{ name: 'listed', partitions: [{ partitionIndex: 0, offset: 2 }] }],
    });
    for (const special of [-1, -2, -3, -4, -5])
      await list(`special ${special}, some gone`, 'listed', special);
    for (const ms of [100, 200, 300, 301]) await list(`at ${ms}, some gone`, 'listed', T0 + ms);
  });

  await both.scenario(t, 'OffsetForLeaderEpoch', async () => {
    const ask = (
      what: string,
      topic: string,
      leaderEpoch: number,
      currentLeaderEpoch = -1,
      more: object = {},
    ) =>
      both.each(what, OFFSET_FOR_LEADER_EPOCH, [2, 4], {
        replicaId: -1,
        topics: [{ topic, partitions: [{ partition: 0, leaderEpoch, currentLeaderEpoch, ...more }] }],
      });
    for (const topic of ['listed', 'bare', 'nobody', 'b ad']) {
      for (const epoch of [0, 1, -1, -2, 99]) await ask(`${topic} epoch ${epoch}`, topic, epoch);
    }
    for (const current of [0, 1, 99, -2]) await ask(`as at ${current}`, 'listed', 0, current);
    await ask('a wrong partition', 'listed', 0, -1, { partition: 4 });
    await both.same('nothing', OFFSET_FOR_LEADER_EPOCH, 4, { replicaId: -1, topics: [] });
    await both.same('no partitions', OFFSET_FOR_LEADER_EPOCH, 4, {
      replicaId: -1,
      topics: [{ topic: 'listed', partitions: [] }],
    });
    await both.same('twice', OFFSET_FOR_LEADER_EPOCH, 4, {
      replicaId: -1,
      topics: [{ topic: 'listed', partitions: [0, 1].map((leaderEpoch) => ({ partition: 0, leaderEpoch })) }],
    });
  });

  await both.scenario(t, 'InitProducerId, idempotence and DescribeProducers', async () => {
    const init = (what: string, range: readonly [number, number], body: object = {}) =>
      both.each(
        what,
        INIT_PRODUCER_ID,
        range,
        { transactionalId: null, transactionTimeoutMs: 1000, ...body },
        {
          keep: { [what]: (answer: Answer) => answer.producerId },
        },
      );
    const anyId = { transactionalId: null, transactionTimeoutMs: 1000 };
    await both.until(INIT_PRODUCER_ID, 1, anyId, ({ errorCode }) => errorCode === 0);
    for (let version = 0; version <= 5; version++) await init(`version ${version}`, [version, version]);
    await init('no timeout', [4, 5], { transactionTimeoutMs: -1 });
    await init('a long timeout', [4, 5], { transactionTimeoutMs: 2 ** 31 - 1 });
    await init('an id alone', [3, 5], { producerId: 9 });
    await init('an epoch alone', [3, 5], { producerEpoch: 9 });
    await init('an epoch below', [3, 5], { producerId: 9, producerEpoch: -2 });
    await init('an id below', [3, 5], { producerId: -2, producerEpoch: 1 });
    await init('with an id and an epoch', [3, 5], { producerId: 9, producerEpoch: 3 });
    const send = (what: string, epoch: number, sequence: number, count = 1, id = 'version 5') =>
      produce(`${what} (epoch ${epoch}, sequence ${sequence}, ${count})`, 'idempotent', (side) =>
        sequenced(side.the(id), epoch, sequence, count),
      );
    await send('first', 0, 0, 2);
    await send('again', 0, 0, 2);
    await send('next', 0, 2);
    await send('first again', 0, 0, 2);
    await send('first, other length', 0, 0, 3);
    await send('overlapping', 0, 1, 2);
    await send('a gap', 0, 5);
    for (let sequence = 3; sequence < 8; sequence++) await send('on', 0, sequence);
    await send('long gone', 0, 0, 2);
    await send('the fifth last', 0, 3);
    await send('a newer epoch, not from 0', 2, 8);
    await send('a newer epoch', 2, 0);
    await send('an older epoch', 1, 0);
    await send('an older epoch, on', 0, 8);
    await send('on in the newer epoch', 2, 1);
    await send('unknown, in the middle', 0, 41, 1, 'version 4');
    await send('unknown, on', 0, 42, 1, 'version 4');
    await send('near the end', 5, SEQUENCE_MAX - 1, 1, 'version 3');
    await send('around the end', 5, SEQUENCE_MAX, 2, 'version 3');
    await send('after the end', 5, 1, 1, 'version 3');
    await send('around the end again', 5, SEQUENCE_MAX, 2, 'version 3');
    await send('back at 0', 5, 0, 1, 'version 3');
    await both.each('again in each version', PRODUCE, [3, 12], (side) =>
      produceBody('idempotent', [[0, sequenced(side.the('version 5'), 2, 1)]])(side),
    );
    await both.each('a gap in each version', PRODUCE, [3, 12], (side) =>
      produceBody('idempotent', [[0, sequenced(side.the('version 5'), 2, 9)]])(side),
    );
    await both.each('an older epoch in each version', PRODUCE, [3, 12], (side) =>
      produceBody('idempotent', [[0, sequenced(side.the('version 5'), 1, 0)]])(side),
    );
    await both.same('of idempotent', FETCH, 12, fetchBody('idempotent', [{}]));
    await both.same('of producers', DESCRIBE_PRODUCERS, 0, {
      topics: [
        { name: 'idempotent', partitionIndexes: [0, 5] },
        { name: 'bare', partitionIndexes: [0] },
        { name: 'nobody', partitionIndexes: [0, 1] },
        { name: 'b ad', partitionIndexes: [0] },
      ],
    });
    await both.same('of nothing', DESCRIBE_PRODUCERS, 0, { topics: [] });
    await both.same('of no partitions', DESCRIBE_PRODUCERS, 0, {
      topics: [{ name: 'bare', partitionIndexes: [] }],
    });
    await both.same('of one twice', DESCRIBE_PRODUCERS, 0, {
      topics: [{ name: 'bare', partitionIndexes: [0, 0] }],
    });
    await both.same('of a topic twice', DESCRIBE_PRODUCERS, 0, {
      topics: [0, 0].map((partition) => ({ name: 'bare', partitionIndexes: [partition] })),
    });
    await produce('compressed, of a producer', 'idempotent', (side) =>
      batchOf(['c'], {
        compression: 'zstd',
        producerId: side.the('version 2'),
        producerEpoch: 0,
        baseSequence: 0,
      }),
    );
  });

  await both.scenario(t, 'Log directories', async () => {
    const plain = (...partitions: number[]) => [{ topic: 'sequences', partitions }];
    await both.each('some', DESCRIBE_LOG_DIRS, [1, 3], { topics: plain(0, 1, 7) });
    await both.each('what is not there', DESCRIBE_LOG_DIRS, [1, 3], {
      topics: [{ topic: 'nobody', partitions: [0] }],
    });
    await both.each('none', DESCRIBE_LOG_DIRS, [1, 3], { topics: [] });
    await both.each('with sizes', DESCRIBE_LOG_DIRS, [4, 5], { topics: plain(0) });
    const move = (what: string, dirs: object[]) => both.each(what, ALTER_LOG_DIRS, [1, 2], { dirs });
    const topics = (name: string, ...partitions: number[]) => [{ name, partitions }];
    await move('nowhere', [{ path: '/nowhere', topics: topics('sequences', 0, 9) }]);
    await move('a relative path', [{ path: 'here', topics: topics('sequences', 0) }]);
    await move('no path', [{ path: '', topics: topics('sequences', 0) }]);
    await move('an unknown topic', [{ path: '/nowhere', topics: topics('nobody', 0) }]);
    await move('nothing', []);
    await move('two paths', [
      { path: '/nowhere', topics: topics('sequences', 0) },
      { path: '/elsewhere', topics: topics('sequences', 0) },
    ]);
  });
}
