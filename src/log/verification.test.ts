/** No batch enters a transaction that has ended since its coordinator was asked (KIP-890, part 1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildEndTransactionMarker } from '../protocol/control-records.ts';
import { errorName } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import type { Log, Verification } from './log.ts';
import { DEFAULT_LOG_SETTINGS } from './settings.ts';
import { openDirectories } from './test-log.ts';

const PRODUCER = 8;
const EXPIRATION_MS = 86_400_000;

class Fixture {
  readonly log: Log;
  readonly ports: ReturnType<typeof simulatedPorts>;

  constructor(log: Log, ports: ReturnType<typeof simulatedPorts>) {
    this.log = log;
    this.ports = ports;
  }

  static async begin(): Promise<Fixture> {
    const ports = simulatedPorts({ seed: 1 });
    const directories = await openDirectories(ports, { producerIdExpirationMs: EXPIRATION_MS });
    const settings = DEFAULT_LOG_SETTINGS;
    const log = directories.create({ topic: 't', partition: 0, topicId: 'I'.repeat(16), settings });
    return new Fixture(log, ports);
  }

  begin(options: { sequence?: number; epoch?: number; isVersion2?: boolean } = {}): Verification {
    const { errorCode, verification } = this.tryBegin(options);
    assert.equal(errorCode, 0);
    return verification!;
  }

  tryBegin({ sequence = 0, epoch = 0, isVersion2 = false }: Parameters<Fixture['begin']>[0] = {}) {
    const producer = { producerId: PRODUCER, producerEpoch: epoch, firstSequence: sequence };
    const nowMs = this.ports.clock.nowMs();
    return this.log.beginVerification({ ...producer, hasEpochPerTransaction: isVersion2 }, nowMs);
  }

  append(
    verification: Verification | undefined,
    options: { sequence?: number; epoch?: number; isVersion2?: boolean } = {},
  ): string {
    const { sequence = 0, epoch = 0, isVersion2 = false } = options;
    const timestamp = this.ports.clock.nowMs();
    const batch = buildBatch({
      records: [{ key: null, value: Buffer.from('v'), timestamp }],
      producerId: PRODUCER,
      producerEpoch: epoch,
      baseSequence: sequence,
      isTransactional: true,
    });
    const result = this.log.appendAsLeader(batch, {
      leaderEpoch: 0,
      origin: 'client',
      nowMs: timestamp,
      verification,
      transactionVersion: isVersion2 ? 2 : 1,
    });
    return errorName(result.errorCode);
  }

  mark(epoch = 0, transactionVersion = 1): void {
    const timestamp = this.ports.clock.nowMs();
    const of = { producerId: PRODUCER, producerEpoch: epoch, coordinatorEpoch: 0, isCommit: false };
    const options = { leaderEpoch: 0, origin: 'marker', nowMs: timestamp, transactionVersion } as const;
    const result = this.log.appendAsLeader(buildEndTransactionMarker({ ...of, timestamp }), options);
    assert.equal(result.errorCode, 0);
  }
}

test('item 20: the first batch of a transaction needs its guard, the next ones the open transaction', async () => {
  const fixture = await Fixture.begin();
  assert.equal(fixture.append('ongoing'), 'INVALID_TXN_STATE');
  assert.equal(fixture.append({ producerId: PRODUCER }), 'INVALID_TXN_STATE');
  const guard = fixture.begin();
  assert.notEqual(guard, 'ongoing');
  assert.equal(fixture.append(guard), 'NONE');
  assert.equal(fixture.begin({ sequence: 1 }), 'ongoing');
  assert.equal(fixture.append('ongoing', { sequence: 1 }), 'NONE');
});

test('item 20: a marker between question and batch turns the batch away, also when a new transaction has begun', async () => {
  const fixture = await Fixture.begin();
  const guard = fixture.begin();
  fixture.mark();
  assert.equal(fixture.append(guard), 'INVALID_TXN_STATE');
  const next = fixture.begin();
  assert.notEqual(next, guard);
  assert.equal(fixture.append(guard), 'INVALID_TXN_STATE');
  assert.equal(fixture.append(next), 'NONE');
  const open = fixture.begin({ sequence: 1 });
  fixture.mark();
  assert.equal(open, 'ongoing');
  assert.equal(fixture.append(open, { sequence: 1 }), 'INVALID_TXN_STATE');
});

test('with an epoch for each transaction, the marker of the one before does not turn away the next', async () => {
  const fixture = await Fixture.begin();
  assert.equal(fixture.append(fixture.begin({ isVersion2: true }), { isVersion2: true }), 'NONE');
  const next = fixture.begin({ epoch: 1, isVersion2: true });
  assert.notEqual(next, 'ongoing');
  fixture.mark(1, 2);
  assert.equal(fixture.append(next, { epoch: 1, isVersion2: true }), 'NONE');
  // One of an older transaction has no guard any more, and would be behind in any case.
  const { errorCode } = fixture.tryBegin({ epoch: 0, isVersion2: true });
  assert.equal(errorName(errorCode), 'INVALID_PRODUCER_EPOCH');
});

test('a batch behind the epoch is INVALID_PRODUCER_EPOCH, whatever its guard', async () => {
  const fixture = await Fixture.begin();
  const guard = fixture.begin();
  fixture.mark(4);
  assert.equal(fixture.append(guard), 'INVALID_PRODUCER_EPOCH');
});

test('while a first batch is being verified no later one overtakes it', async () => {
  const fixture = await Fixture.begin();
  const second = fixture.begin({ sequence: 1 });
  const first = fixture.begin({ sequence: 0 });
  assert.equal(first, second);
  assert.equal(fixture.append(second, { sequence: 1 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(fixture.append(first), 'NONE');
  assert.equal(fixture.append(second, { sequence: 1 }), 'NONE');
});

test('the question of a late copy does not turn away the first batch of the next transaction', async () => {
  const fixture = await Fixture.begin();
  assert.equal(fixture.append(fixture.begin()), 'NONE');
  assert.equal(fixture.append('ongoing', { sequence: 1 }), 'NONE');
  fixture.mark();
  fixture.begin({ sequence: 0 });
  const guard = fixture.begin({ sequence: 2 });
  assert.equal(fixture.append(guard, { sequence: 3 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  assert.equal(fixture.append(guard, { sequence: 2 }), 'NONE');
});

test('a batch without verification is not turned away for the lack of it, and guards expire', async () => {
  const fixture = await Fixture.begin();
  const guard = fixture.begin();
  fixture.log.removeExpiredProducers(fixture.ports.clock.nowMs() + EXPIRATION_MS);
  assert.equal(fixture.append(guard), 'INVALID_TXN_STATE');
  assert.equal(fixture.append(undefined), 'NONE');
});
