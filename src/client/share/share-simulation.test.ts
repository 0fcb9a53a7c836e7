/**
 * Members of a share group that come, go, are slow and fail, from a seed; with even seeds also brokers that hang up, forget their
 * sessions, and give partitions to others. In the end each record is dealt with as some handler has said, and nobody holds
 * one; with odd seeds no two handlers have had the same record at a time. `CLIENT_SEEDS=from-to` runs others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedRandom } from '../../runtime/simulated-random.ts';
import { Errors } from '../../protocol/errors.ts';
import type { Client, ShareConsumer, ShareRecord } from '../client.ts';
import { BREAK } from '../test-cluster.ts';
import { ACKNOWLEDGE, FETCH, HEARTBEAT, ShareGroup } from './test-share-group.ts';

const STEPS = 60;
const LOCK_MS = 2_000;
const [FROM = 1, TO = 6] = (process.env['CLIENT_SEEDS'] ?? '').split('-').filter(Boolean).map(Number);

interface Member {
  readonly client: Client;
  readonly consumer: ShareConsumer;
  readonly ended: Promise<void>;
}

async function simulate(seed: number): Promise<void> {
  const random = new SimulatedRandom(`share ${seed}`);
  const isCalm = seed % 2 === 1;
  const group = new ShareGroup([0, 1, 1], 2);
  const { cluster } = group;
  group.lockMs = LOCK_MS;
  group.deliveriesMax = Infinity;
  /** What handlers have said, by record. */
  const said = new Map<string, Set<string>>();
  const active = new Map<string, ShareRecord>();
  const members: Member[] = [];
  let isOver = false;

  const handle = async (record: ShareRecord): Promise<void> => {
    const name = `${record.partition}:${record.text}`;
    if (isCalm) assert.equal(active.get(name)?.lockRestMs ?? 0, 0, `${name} is somebody else's`);
    active.set(name, record);
    const dice = isOver ? 9 : random.integer(20);
    await group.sleep(dice === 0 ? LOCK_MS + random.integer(LOCK_MS) : random.integer(200));
    if (dice === 1) await record.renew().catch(() => {});
    if (active.get(name) === record) active.delete(name);
    if (dice === 4) throw new Error('a handler that fails');
    const outcome = dice === 2 ? 'release' : dice === 3 ? 'reject' : 'accept';
    if (outcome !== 'release') {
      said.set(name, (said.get(name) ?? new Set()).add(outcome === 'reject' ? 'archived' : 'done'));
    }
    // Half of them leave it to the consumer.
    if (outcome !== 'accept' || random.integer(2) === 0) record[outcome]();
  };
  const join = (): void => {
    const client = group.newClient();
    const consumer = group.consumer({ recordsMax: 1 + random.integer(20) }, client);
    const concurrency = 1 + random.integer(5);
    const ended = (async () => {
      for (;;) {
        try {
          await consumer.run({ concurrency, onRecord: handle, onFailed: () => {} });
          return;
        } catch (error) {
          if (isCalm) throw error;
        }
      }
    })();
    members.push({ client, consumer, ended });
  };
  const leave = async ({ client, consumer, ended }: Member): Promise<void> => {
    await cluster.settle(consumer.close());
    await cluster.settle(ended);
    await cluster.settle(client.close());
  };
  const refuse = (key: number, code: number | typeof BREAK): void => {
    group.refusals.set(key, [...(group.refusals.get(key) ?? []), code]);
  };

  let produced = 0;
  join();
  for (let step = 0; step < STEPS; step++) {
    for (let n = random.integer(8); n > 0; n--) group.produce(random.integer(3), `${produced++}`);
    await cluster.time.advance(random.integer(400));
    const dice = random.integer(isCalm ? 12 : 24);
    if (dice === 0 && members.length < 4) join();
    if (dice === 1 && members.length > 1) await leave(members.splice(random.integer(members.length), 1)[0]!);
    if (dice === 12) group.move(random.integer(3), random.integer(2));
    if (dice === 13) group.endSessions();
    if (dice === 14) refuse(FETCH, BREAK);
    if (dice === 15) refuse(ACKNOWLEDGE, BREAK);
    if (dice === 16) refuse(ACKNOWLEDGE, Errors.INVALID_SHARE_SESSION_EPOCH);
    if (dice === 17) refuse(HEARTBEAT, random.integer(2) === 0 ? BREAK : Errors.UNKNOWN_MEMBER_ID);
    if (dice === 18) refuse(FETCH, Errors.SHARE_SESSION_LIMIT_REACHED);
    if (dice === 19) group.acknowledgeErrors.set(random.integer(3), Errors.COORDINATOR_LOAD_IN_PROGRESS);
    if (dice >= 20) group.acknowledgeErrors.clear();
  }
  isOver = true;
  group.acknowledgeErrors.clear();
  const states = (): string[] => [0, 1, 2].flatMap((partition) => group.states(partition));
  const isOpen = (state: string): boolean => state !== 'done' && state !== 'archived';
  const isDone = await cluster.time.runUntil(() => !states().some(isOpen), 300_000);
  assert.ok(isDone, `${states().filter(isOpen).length} of ${produced} records are open`);
  for (const member of members) await leave(member);
  for (const [partition, list] of group.records.entries()) {
    for (const [offset, { state }] of list.entries()) {
      const name = `${partition}:${group.textAt(partition, offset)}`;
      assert.ok(said.get(name)?.has(state), `${name} is ${state}`);
    }
  }
}

for (let seed = FROM; seed <= TO; seed++) {
  test(`seed ${seed}: each record is dealt with as some handler has said`, () => simulate(seed));
}
