/** The log's index of aborted transactions where something goes wrong with its file. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import { errorName } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import type { DiskOperation } from '../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import type { LogDirectories } from './log-directories.ts';
import type { AppendResult, Log } from './log.ts';
import { DEFAULT_LOG_SETTINGS } from './settings.ts';
import { openDirectories } from './test-log.ts';

const SETTINGS = { ...DEFAULT_LOG_SETTINGS, segmentBytes: 1000 };
const FIRST_INDEX = '/d/t-0/00000000000000000000.txnindex';

class Fixture {
  ports: SimulatedPorts;
  directories!: LogDirectories;
  log!: Log;
  /** Operations of the disk that find it full. */
  isFull: (operation: DiskOperation) => boolean = () => false;
  readonly #sequences = new Map<number, number>();

  constructor() {
    const fault = (operation: DiskOperation) => (this.isFull(operation) ? 'ENOSPC' : undefined);
    this.ports = simulatedPorts({ seed: 1, disk: { fault } });
  }

  static async begin(): Promise<Fixture> {
    const fixture = new Fixture();
    await fixture.open();
    return fixture;
  }

  async open(): Promise<void> {
    this.directories = await openDirectories(this.ports, { settingsFor: () => SETTINGS });
    const topic = { topic: 't', partition: 0, topicId: 'I'.repeat(16), settings: SETTINGS };
    this.log = this.directories.create(topic);
  }

  async restartWithDamage(): Promise<void> {
    await this.ports.time.settle(this.directories.shutdown());
    const file = this.ports.disk.open(FIRST_INDEX, 'write');
    file.write(0, [Buffer.of(9)]);
    file.syncNow();
    file.close();
    await this.open();
  }

  write(producerId: number): AppendResult {
    const timestamp = this.ports.clock.nowMs();
    const baseSequence = this.#sequences.get(producerId) ?? 0;
    const records = [{ key: null, value: Buffer.alloc(40, 'v'), timestamp }];
    const of = { producerId, producerEpoch: 0, baseSequence, isTransactional: true };
    const options = { leaderEpoch: 0, origin: 'client', nowMs: timestamp } as const;
    const result = this.log.appendAsLeader(buildBatch({ records, ...of }), options);
    if (result.errorCode === 0) this.#sequences.set(producerId, baseSequence + 1);
    return result;
  }

  abort(producerId: number): string {
    const timestamp = this.ports.clock.nowMs();
    const of = { producerId, producerEpoch: 0, coordinatorEpoch: 0, isCommit: false, timestamp };
    const options = { leaderEpoch: 0, origin: 'marker', nowMs: timestamp } as const;
    return errorName(this.log.appendAsLeader(buildEndTransactionMarker(of), options).errorCode);
  }

  aborted(): number[] {
    return this.log.abortedTransactions(0, this.log.logEndOffset).map(({ firstOffset }) => firstOffset);
  }
}

test('item 21: a damaged index of the active segment does not stand in the way of the next abort', async () => {
  const fixture = await Fixture.begin();
  fixture.write(1); // 0
  fixture.abort(1); // 1
  await fixture.restartWithDamage();
  fixture.write(1); // 2
  assert.equal(fixture.abort(1), 'NONE'); // 3
  assert.equal(fixture.log.failure, undefined);
  assert.deepEqual(fixture.aborted(), [0, 2]);
});

test('item 21: an index that the full disk refused when its segment was rolled is written once there is room', async () => {
  const fixture = await Fixture.begin();
  fixture.write(1); // 0
  fixture.abort(1); // 1
  fixture.isFull = ({ path }) => path === FIRST_INDEX;
  let refused = fixture.write(2);
  while (refused.errorCode === 0) refused = fixture.write(2);
  assert.match(refused.errorMessage!, /ENOSPC/);
  fixture.isFull = () => false;
  assert.equal(fixture.write(2).errorCode, 0);
  assert.equal(fixture.log.segmentCount, 2);
  await fixture.ports.time.settle(fixture.directories.shutdown());
  await fixture.open();
  assert.deepEqual(fixture.aborted(), [0]);
});

test('item 21: a log whose index is damaged can be cut', async () => {
  const fixture = await Fixture.begin();
  fixture.write(1); // 0
  fixture.abort(1); // 1
  fixture.write(1); // 2
  fixture.abort(1); // 3
  await fixture.restartWithDamage();
  assert.equal(fixture.log.truncateTo(3), true);
  assert.deepEqual([fixture.log.logEndOffset, fixture.aborted()], [3, [0]]);
  assert.equal(fixture.log.firstUnstableOffset, 2);
});

test('G10: an index of aborted transactions that is gone is found by an audit', async () => {
  for (const isGone of [false, true]) {
    const fixture = await Fixture.begin();
    fixture.write(1); // 0
    fixture.abort(1); // 1
    while (fixture.log.segmentCount < 3) fixture.write(2);
    fixture.abort(2);
    await fixture.ports.time.settle(fixture.directories.shutdown());
    if (isGone) fixture.ports.disk.remove(FIRST_INDEX);
    await fixture.open();
    const damaged: string[] = [];
    fixture.directories.onDamage = ({ topic, partition }) => void damaged.push(`${topic}-${partition}`);
    fixture.directories.startAudit();
    await fixture.ports.time.advance(10_000);
    assert.deepEqual(damaged, isGone ? ['t-0'] : []);
    fixture.directories.release();
  }
});
