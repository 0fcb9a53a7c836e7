// Handlers of `run` with `order: 'key'` against the real broker, on simulated ports.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, type Consumer, type ConsumerOptions } from '../client.ts';
import { clientPorts } from '../test-cluster.ts';
import { scene, type Scene } from '../test-scene.ts';

interface Stage extends Scene {
  consumer(options?: Partial<ConsumerOptions>): Consumer;
  until(what: string, condition: () => boolean): Promise<void>;
  committed(): Promise<number>;
  sleep(ms: number): Promise<void>;
  /** As `key=value`; without a key when there is no `=`. */
  produce(...records: string[]): Promise<void>;
}

/** A topic `t` with one partition. */
async function stage(): Promise<Stage> {
  const one = await scene({ 'group.min.session.timeout.ms': '1000' });
  await one.admin.createTopic('t', { numPartitions: 1 });
  const { time, wires } = one.world.ports;
  const producer = one.client.producer();
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
      const [found] = await one.settle(reader.committed([{ topic: 't', partition: 0 }]));
      return found?.offset ?? -1;
    },
    sleep: (ms) => new Promise((resolve) => void time.schedule(ms, resolve)),
    async produce(...records) {
      const all = records.map((text) => {
        const at = text.indexOf('=');
        return {
          topic: 't',
          partition: 0,
          key: at < 0 ? null : text.slice(0, at),
          value: text.slice(at + 1),
        };
      });
      await one.settle(producer.sendAll(all));
    },
  };
}

const interleaved = (keys: readonly string[], count: number): string[] =>
  Array.from({ length: count }, (_, n) => keys.map((key) => `${key}=${n}`)).flat();

test('records of one key are handled in their order, those of others meanwhile, and no more at a time than wanted', async () => {
  const { consumer, produce, until, sleep, settle, committed, end } = await stage();
  await produce(...interleaved(['a', 'b', 'c', 'd', 'e'], 20));
  const member = consumer();
  const seen = new Map<string, number[]>();
  const active = new Set<string>();
  let most = 0;
  let count = 0;
  const run = member.run({
    order: 'key',
    concurrency: 3,
    async onRecord({ keyText, text }) {
      assert.ok(!active.has(keyText!), 'a key is handled by one at a time');
      active.add(keyText!);
      most = Math.max(most, active.size);
      await sleep(((count * 7) % 5) + 1);
      seen.set(keyText!, [...(seen.get(keyText!) ?? []), Number(text)]);
      active.delete(keyText!);
      count += 1;
    },
  });
  await until('all is handled', () => count === 100);
  assert.equal(most, 3);
  for (const list of seen.values())
    assert.deepEqual(
      list,
      [...list].sort((a, b) => a - b),
    );
  await settle(member.close());
  await settle(run);
  assert.equal(await committed(), 100);
  await end();
});

test('what is committed ends before the first record that is not done', async () => {
  const { consumer, produce, until, sleep, settle, committed, end } = await stage();
  await produce('a=0', 'b=1', 'slow=2', 'a=3', 'b=4', '5', '6');
  const member = consumer();
  const done: number[] = [];
  const run = member.run({
    order: 'key',
    concurrency: 10,
    async onRecord({ keyText, offset }) {
      await sleep(keyText === 'slow' ? 5_000 : 10);
      done.push(offset);
    },
  });
  await until('all but one is done', () => done.length === 6);
  assert.ok(!done.includes(2));
  await settle(member.commit());
  assert.equal(await committed(), 2);
  assert.equal(member.position({ topic: 't', partition: 0 }), 2);
  await until('the slow one, too', () => done.length === 7);
  await settle(sleep(1));
  await settle(member.commit());
  assert.equal(await committed(), 7);
  await settle(member.close());
  await settle(run);
  await end();
});

test('what a handler throws ends the run; the next one begins with what it had, and nothing is lost', async () => {
  const { consumer, produce, until, sleep, settle, committed, end } = await stage();
  await produce(...interleaved(['a', 'b', 'c'], 10));
  const member = consumer();
  const first: number[] = [];
  const failing = member.run({
    order: 'key',
    concurrency: 3,
    async onRecord({ keyText, text, offset }) {
      await sleep(5);
      if (keyText === 'b' && text === '4') throw new Error('no');
      first.push(offset);
    },
  });
  await assert.rejects(settle(failing), /^Error: no$/);
  await settle(member.commit());
  assert.equal(await committed(), 13, 'the failed one is at 13');
  const again: number[] = [];
  const run = member.run({ order: 'key', concurrency: 3, onRecord: ({ offset }) => void again.push(offset) });
  await until('all is handled', () => new Set([...first, ...again]).size === 30);
  assert.equal(again[0], 13);
  await settle(member.close());
  await settle(run);
  assert.equal(await committed(), 30);
  await end();
});

test('a key with much to do does not hold up the others, also of later batches', async () => {
  const { consumer, produce, until, sleep, settle, end } = await stage();
  await produce(...Array.from({ length: 20 }, (_, n) => `hot=${n}`));
  await produce('cold=1');
  const member = consumer();
  const done: string[] = [];
  const run = member.run({
    order: 'key',
    concurrency: 2,
    async onRecord({ keyText }) {
      await sleep(100);
      done.push(keyText!);
    },
  });
  await until('the cold one is done', () => done.includes('cold'));
  assert.ok(done.length < 5, `${done.length} were done before`);
  await until('all is done', () => done.length === 21);
  await settle(member.close());
  await settle(run);
  await end();
});

test('seeking, pausing and a rebalance drop what has not begun', async () => {
  const { consumer, produce, until, sleep, settle, committed, end } = await stage();
  const at = { topic: 't', partition: 0 };
  await produce(...interleaved(['a', 'b'], 10));
  const member = consumer();
  const seen: number[] = [];
  const run = member.run({
    order: 'key',
    concurrency: 2,
    async onRecord({ offset }) {
      seen.push(offset);
      await sleep(20);
    },
  });
  await until('some are done', () => seen.length === 6);
  member.pause([at]);
  await settle(sleep(500));
  const paused = seen.length;
  assert.ok(paused <= 8, `${paused}`);
  await settle(member.commit());
  assert.equal(await committed(), paused);
  member.resume([at]);
  await until('it goes on', () => seen.length > paused + 2);
  assert.deepEqual(seen.slice(paused, paused + 2).sort(), [paused, paused + 1].sort());
  member.seek(at, 1);
  await until('from 1 on', () => seen.at(-1) === 19);
  const other = consumer();
  const polled = other.poll({ timeoutMs: 5_000 });
  await settle(member.close());
  await settle(run);
  assert.equal(await settle(polled), undefined, 'all was committed before it was given away');
  await settle(other.close());
  await end();
});

test('nobody orders batches by key', async () => {
  const { consumer, settle, end } = await stage();
  const member = consumer();
  await assert.rejects(settle(member.run({ order: 'key', concurrency: 0, onRecord() {} })), TypeError);
  await settle(member.close());
  await end();
});
