// Handlers of `run` against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, type Consumer, type ConsumerRecord, type RunOptions } from '../client.ts';
import { clientPorts } from '../test-cluster.ts';
import { scene, type Scene } from '../test-scene.ts';

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

interface Stage extends Scene {
  consumer(options?: object): Consumer;
  /** Until the condition holds. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** The group's committed offsets, by partition. */
  committed(): Promise<number[]>;
  sleep(ms: number): Promise<void>;
}

/** A topic `t` with `partitions` partitions of ten records each. */
async function stage(partitions: number): Promise<Stage> {
  const one = await scene({ 'group.min.session.timeout.ms': '1000' });
  await one.admin.createTopic('t', { numPartitions: partitions });
  for (let n = 0; n < partitions; n++) await one.send('t', n, numbered(`${n}:`, 10));
  const { time, wires } = one.world.ports;
  let clients = 0;
  return {
    ...one,
    consumer: (options = {}) =>
      new Client({
        bootstrap: 'broker:19092',
        ports: clientPorts({ time, wires }, `member${clients++}`),
      }).consumer({
        group: 'g',
        topics: ['t'],
        from: 'earliest',
        maxWaitMs: 50,
        heartbeatIntervalMs: 200,
        ...options,
      }),
    until: async (what, condition) => assert.ok(await time.runUntil(condition, 60_000), what),
    async committed() {
      const reader = one.client.consumer({ group: 'g' });
      const all = Array.from({ length: partitions }, (_, partition) => ({ topic: 't', partition }));
      const found = await one.settle(reader.committed(all));
      return all.map(({ partition }) => found.find((at) => at.partition === partition)?.offset ?? -1);
    },
    sleep: (ms) => new Promise((resolve) => void time.schedule(ms, resolve)),
  };
}

test('each partition is handled in its order, as many at a time as wanted, and what is done is committed', async () => {
  const { consumer, until, committed, settle, sleep, end } = await stage(5);
  const handled: string[] = [];
  const active = new Set<number>();
  let most = 0;
  const member = consumer();
  const run = member.run({
    concurrency: 3,
    async onRecord({ partition, text }) {
      assert.ok(!active.has(partition), 'a partition is handled by one at a time');
      active.add(partition);
      most = Math.max(most, active.size);
      await sleep(10 + 7 * partition);
      handled.push(text!);
      active.delete(partition);
    },
  });
  await until('all is handled', () => handled.length === 50);
  assert.equal(most, 3);
  for (let n = 0; n < 5; n++) {
    assert.deepEqual(
      handled.filter((text) => text.startsWith(`${n}:`)),
      numbered(`${n}:`, 10),
    );
  }
  await settle(member.close());
  await settle(run);
  assert.deepEqual(await committed(), [10, 10, 10, 10, 10]);
  await end();
});

test('what a handler throws ends the run, and the next one begins with what it had', async () => {
  const { consumer, until, committed, settle, end } = await stage(2);
  const member = consumer();
  const handled: string[] = [];
  const failing: RunOptions = {
    concurrency: 2,
    onRecord({ text }) {
      if (text === '0:4') throw new Error('no');
      handled.push(text!);
    },
  };
  await assert.rejects(settle(member.run(failing)), /^Error: no$/);
  await settle(member.commit());
  const [first] = await committed();
  assert.equal(first, 4, 'committed as far as the handler came');
  assert.ok(!handled.includes('0:5'), 'nothing behind it was handled');
  const run = member.run({ onRecord: ({ text }) => void handled.push(text!) });
  await until('the rest is handled', () => handled.length === 20);
  assert.deepEqual(
    handled.filter((text) => text.startsWith('0:')),
    numbered('0:', 10),
  );
  assert.deepEqual(
    handled.filter((text) => text.startsWith('1:')),
    numbered('1:', 10),
  );
  await settle(member.close());
  await settle(run);
  await end();
});

test('batches come whole, and count when their handler is done with them', async () => {
  const { consumer, until, committed, settle, end, send } = await stage(1);
  const member = consumer({ autoCommit: false });
  const seen: string[] = [];
  const run = member.run({
    async onBatch(batch) {
      if (batch.records.some(({ text }) => text === 'late')) await member.commit();
      seen.push(...batch.records.map(({ text }) => text!));
    },
  });
  await until('the batches are handled', () => seen.length === 10);
  await send('t', 0, ['late']);
  await until('the last one, too', () => seen.length === 11);
  assert.deepEqual(await committed(), [10], 'not what the handler had at that moment');
  await settle(member.close());
  await settle(run);
  await end();
});

test('the group waits for a handler before its partition goes to another member', async () => {
  const { consumer, until, settle, sleep, end } = await stage(2);
  const log: string[] = [];
  const handle =
    (who: string) =>
    async ({ text }: ConsumerRecord, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
      log.push(`${who} begins ${text}`);
      await sleep(400);
      log.push(`${who} ends ${text}${signal.aborted ? ' in haste' : ''}`);
    };
  const [a, b] = [consumer(), consumer()];
  const runs = [a.run({ concurrency: 2, onRecord: handle('a') })];
  await until('a is at work', () => log.length >= 4);
  runs.push(b.run({ concurrency: 2, onRecord: handle('b') }));
  const ends = (): string[] => log.filter((line) => line.includes('ends')).map((line) => line.split(' ')[2]!);
  await until('all is handled', () => ends().length >= 20);
  assert.deepEqual(ends().sort(), [...numbered('0:', 10), ...numbered('1:', 10)].sort(), 'once each');
  assert.ok(
    log.some((line) => line.startsWith('b ends')),
    'b has had a part of it',
  );
  assert.equal(log.filter((line) => line.includes('in haste')).length, 1, 'one handler was told to hurry');
  await settle(Promise.all([a.close(), b.close()]));
  await settle(Promise.all(runs));
  await end();
});

test('a close waits for handlers, commits what they have done, and leaves those that do not come back', async () => {
  const { consumer, until, committed, settle, sleep, end, world } = await stage(2);
  const patient = consumer();
  let done = 0;
  let begun = 0;
  const run = patient.run({
    concurrency: 2,
    async onRecord() {
      begun += 1;
      await sleep(2_000);
      done += 1;
    },
  });
  await until('both partitions are worked on', () => begun === 2);
  await settle(patient.close());
  await settle(run);
  assert.deepEqual([begun, done], [2, 2]);
  assert.deepEqual(await committed(), [1, 1]);

  const stuck = consumer();
  void stuck.run({ onRecord: () => new Promise(() => {}) });
  await until('it is at work', () => stuck.health().partitions.length === 2);
  await world.ports.time.advance(1_000);
  await settle(stuck.close({ timeoutMs: 3_000 }));
  assert.deepEqual(await committed(), [1, 1]);
  await end();
});

test('a signal ends the run once the handler is through, and one run at a time is enough', async () => {
  const { consumer, until, settle, sleep, end } = await stage(1);
  const member = consumer();
  const stop = new AbortController();
  let ended = 0;
  const run = member.run({
    signal: stop.signal,
    async onRecord() {
      await sleep(100);
      ended += 1;
    },
  });
  run.catch(() => {});
  await until('it is at work', () => ended === 3);
  await assert.rejects(member.run({ onRecord() {} }), /INVALID_ARGUMENT/);
  await assert.rejects(member.poll(), /INVALID_ARGUMENT/);
  stop.abort(new Error('enough'));
  await assert.rejects(settle(run), /^Error: enough$/);
  assert.equal(ended, 4);
  const batch = await settle(member.poll());
  assert.equal(batch!.records[0]!.offset, 4, 'reading goes on behind it');
  assert.throws(() => new Client({ bootstrap: 'x' }).consumer({ topics: ['t'] }), TypeError);
  await assert.rejects(member.run({ concurrency: 0, onRecord() {} }), TypeError);
  await settle(member.close());
  await end();
});

test('pausing a partition stops its handler behind the record that it has', async () => {
  const { consumer, until, settle, end, world } = await stage(2);
  const member = consumer();
  const at = { topic: 't', partition: 0 };
  const handled: string[] = [];
  const run = member.run({
    onRecord({ text }) {
      handled.push(text!);
      if (text === '0:3' && handled.length < 20) member.pause([at]);
    },
  });
  await until(
    'the other partition is through',
    () => handled.filter((text) => text.startsWith('1:')).length === 10,
  );
  await world.ports.time.advance(1_000);
  assert.deepEqual(
    handled.filter((text) => text.startsWith('0:')),
    numbered('0:', 4),
  );
  member.resume([at]);
  await until('the rest comes', () => handled.length === 20);
  assert.deepEqual(
    handled.filter((text) => text.startsWith('0:')),
    numbered('0:', 10),
  );
  member.seek(at, { timestamp: 0 });
  await until('from the time that was sought', () => handled.length === 30);
  await settle(member.close());
  await settle(run);
  await end();
});

test('a handler of batches that goes by its progress gets what it has not named again, and no more is committed', async () => {
  const { consumer, until, committed, settle, end } = await stage(1);
  const begun: number[] = [];
  const member = consumer({ autoCommitIntervalMs: 100 });
  const run = member.run({
    byProgress: true,
    async onBatch({ records, nextOffset }, { progress }) {
      begun.push(records[0]!.offset);
      // Three at a time; the rest is not dealt with.
      progress(Math.min(nextOffset, records[0]!.offset + 3));
    },
  });
  await until('all is dealt with', () => begun.at(-1) === 9);
  assert.deepEqual(begun, [0, 3, 6, 9]);
  await settle(member.close());
  await settle(run);
  assert.deepEqual(await committed(), [10]);
  await end();
});

test('what one answer has of a partition comes as one batch, where that is wanted', async () => {
  const one = await stage(1);
  for (let n = 0; n < 5; n++) await one.send('t', 0, numbered(`more ${n}:`, 2));
  const sizes = async (joinsBatches: boolean): Promise<number[]> => {
    const reader = one.client.consumer({ assign: [{ topic: 't', from: 'earliest' }], joinsBatches });
    const found: number[] = [];
    while (found.reduce((sum, size) => sum + size, 0) < 20) {
      const batch = await one.settle(reader.poll());
      found.push(batch!.records.length);
    }
    await one.settle(reader.close());
    return found;
  };
  assert.deepEqual(await sizes(false), [10, 2, 2, 2, 2, 2]);
  assert.deepEqual(await sizes(true), [20]);
  await one.end();
});

test('a sign of life keeps a member in its group while its handler takes long', async () => {
  const { consumer, until, settle, sleep, end } = await stage(1);
  const lost: unknown[] = [];
  const member = consumer({
    pollIntervalMsMax: 1_000,
    onLost: (partitions: unknown) => lost.push(partitions),
  });
  let isDone = false;
  const run = member.run({
    byProgress: true,
    async onBatch({ nextOffset }, { progress }) {
      for (let n = 0; n < 8; n++) {
        await sleep(400);
        progress();
      }
      progress(nextOffset);
      isDone = true;
    },
  });
  await until('the handler is done', () => isDone);
  assert.deepEqual(lost, []);
  await settle(member.close());
  await settle(run);
  await end();
});
