/** What a follower receives at once is written in few pieces, and the log is the one that batch by batch would have made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as header from '../protocol/record-batch.ts';
import { buildBatch } from '../protocol/records.ts';
import { bytesOf, markerOf, producedBy, testLog, testProducer, type TestProducer } from './test-log.ts';

const BEGAN_MS = 1e12;

/** Batches as a leader sends them, of every kind, from a seed. */
function batches(seed: number, count: number): Buffer[] {
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const producers: TestProducer[] = [testProducer(7), testProducer(8, true)];
  let isOpen = false;
  let baseOffset = 0;
  let leaderEpoch = 1;
  let timestamp = BEGAN_MS;
  return Array.from({ length: count }, () => {
    if (next(15) === 0) leaderEpoch += 1;
    // A compacted leader leaves out some.
    if (next(12) === 0) baseOffset += 3;
    timestamp += next(1_000) - 100;
    const kind = next(6);
    let batch: Buffer;
    if (kind === 0 && isOpen) {
      isOpen = false;
      batch = markerOf(producers[1]!, { isCommit: next(2) === 0, timestamp });
      header.setBaseOffset(batch, 0, baseOffset);
      header.setPartitionLeaderEpoch(batch, 0, leaderEpoch);
    } else {
      const producer = kind < 4 ? undefined : producers[kind - 4]!;
      const records = Array.from({ length: 1 + next(4) }, () => ({
        key: null,
        value: Buffer.alloc(next(300)),
        timestamp,
      }));
      batch = buildBatch({ records, baseOffset, leaderEpoch, ...producedBy(producer) });
      if (producer !== undefined) producer.sequence += records.length;
      if (producer?.isTransactional === true) isOpen = true;
    }
    baseOffset = header.lastOffset(batch) + 1;
    return batch;
  });
}

/** Appends in pieces of so many batches; the files afterwards, and how often a .log file was written to. */
async function appended(all: readonly Buffer[], pieces: number) {
  let writes = 0;
  const f = await testLog(
    { segmentBytes: 4_000, indexIntervalBytes: 200, segmentMs: 20_000 },
    {
      disk: { onOperation: ({ kind, path }) => void (kind === 'write' && path.endsWith('.log') && writes++) },
    },
  );
  for (let at = 0; at < all.length; at += pieces) {
    const records = Buffer.concat(all.slice(at, at + pieces));
    assert.equal(f.log.appendAsFollower(records, BEGAN_MS).errorCode, 0);
  }
  const { logEndOffset, latestEpoch, firstUnstableOffset } = f.log;
  const known = { logEndOffset, latestEpoch, firstUnstableOffset, producers: f.log.activeProducers() };
  await f.settle(f.directories.shutdown());
  const { disk } = f.ports;
  const files = disk.list('/d/t-0').map((name) => [name, bytesOf(disk, `/d/t-0/${name}`).toString('hex')]);
  return { known, files, writes };
}

test('in whatever pieces batches come, the log is the same', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const all = batches(seed, 120);
    const single = await appended(all, 1);
    for (const pieces of [2, 7, 120]) {
      const some = await appended(all, pieces);
      assert.deepEqual(some.known, single.known, `seed ${seed}, pieces of ${pieces}`);
      assert.deepEqual(some.files, single.files, `seed ${seed}, pieces of ${pieces}`);
      if (pieces === 120) assert.ok(some.writes < single.writes * 0.75, `${some.writes} of ${single.writes}`);
    }
  }
});
