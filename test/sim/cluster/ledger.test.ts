/** What the ledger of a partition says about a replica that lacks what is committed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../../../src/replication/partition.ts';
import { PartitionLedger, Replica } from './ledger.ts';
import type { Shadow } from './shadow.ts';

const ENTRIES = [0, 1, 2].map((content) => ({ epoch: 0, content }));

/** As much of it as the ledger looks at. */
function replica(nodeId: number, end: number, { isDeleted = false, isLeader = false } = {}): Replica {
  const log = { logStartOffset: 0, endOffsetForEpoch: (epoch: number) => ({ epoch, endOffset: end }) };
  const partition = { isDeleted, isLeader, log, logStartOffset: 0, highWatermark: end, logEndOffset: end };
  const shadow = { log, entries: ENTRIES.slice(0, end) };
  return new Replica(nodeId, partition as unknown as Partition, shadow as unknown as Shadow);
}

function said(other: Replica): string[] {
  const reports: string[] = [];
  const ledger = new PartitionLedger('t-0', {
    isCompacted: false,
    report: (kind, what) => reports.push(`${kind}: ${what}`),
  });
  const leader = replica(1, ENTRIES.length, { isLeader: true });
  for (const one of [leader, other]) ledger.replicas.set(one.nodeId, one);
  ledger.commit(leader);
  ledger.checkAll();
  return reports;
}

test('at the end a replica that lacks what is committed is told', () => {
  assert.deepEqual(said(replica(2, 3)), []);
  assert.deepEqual(said(replica(2, 2)), ['committed: t-0: at the end: nothing on 2 @2, not 2 of epoch 0']);
});

test('a replica that was taken away before the end need not have what came after', () => {
  assert.deepEqual(said(replica(2, 2, { isDeleted: true })), []);
});
