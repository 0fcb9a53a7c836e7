/** Compacted topics as clients meet them: gaps in the offsets, producers and transactions of which little is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorName, Errors } from '../protocol/errors.ts';
import * as header from '../protocol/record-batch.ts';
import { buildBatch, type NewBatch } from '../protocol/records.ts';
import { testWorld, type TestClient, type TestWorld } from './test-client.ts';
import { readFrom, TestProducer } from './test-producer.ts';

const CONFIGS = { 'log.cleaner.backoff.ms': '200', 'transaction.state.log.num.partitions': '1' };
/** Cleaned as soon as a segment is closed, which is soon. */
const EAGER = { 'cleanup.policy': 'compact', 'segment.ms': '1000', 'min.cleanable.dirty.ratio': '0.01' };
const COMMITTED = { isolationLevel: 1 };

class Scene {
  readonly world: TestWorld;
  client: TestClient;

  constructor(world: TestWorld, client: TestClient) {
    this.world = world;
    this.client = client;
  }

  static async begin(configs: Readonly<Record<string, string>> = EAGER): Promise<Scene> {
    const { world, client } = await testWorld(CONFIGS);
    await client.createTopic('t', { configs });
    return new Scene(world, client);
  }

  /** One batch: `key=value`, without `=value` a tombstone. */
  async put(
    texts: readonly string[],
    options: Partial<NewBatch> = {},
  ): Promise<{ readonly error: string; readonly baseOffset: number }> {
    const timestamp = this.world.ports.clock.nowMs();
    const records = texts.map((text) => {
      const [key, value] = text.split('=');
      return { key: Buffer.from(key), value: value === undefined ? null : Buffer.from(value), timestamp };
    });
    const answer = await this.client.produce('t', buildBatch({ records, ...options }));
    return { error: errorName(answer.errorCode), baseOffset: answer.baseOffset };
  }

  /** Ends the segment by a record of its own key, and gives the cleaner its time. */
  async clean(): Promise<void> {
    await this.world.ports.time.advance(1_100);
    await this.put(['closes the segment=1']);
    await this.world.ports.time.advance(1_000);
    assert.equal(this.log.cleanedTo, this.log.segmentBaseOffsets().at(-1));
  }

  get log() {
    return this.world.broker.services.logDirectories.get({ topic: 't', partition: 0 })!;
  }

  async texts(from = 0, options: { isolationLevel?: number } = {}): Promise<string[]> {
    const { records } = await readFrom(this.client, 't', from, options);
    return records
      .filter(({ key }) => key !== 'closes the segment')
      .map(({ offset, key, value }) => `${offset}:${key}=${value}`);
  }

  async restart(options: { readonly kill: boolean }): Promise<void> {
    await this.world.restart(options);
    this.client = await this.world.connect();
  }
}

test('item 35: from any offset of a compacted log, one in a gap too, a consumer reads what is left, to the end', async () => {
  const scene = await Scene.begin();
  for (let round = 0; round < 12; round++) {
    await scene.put([`a=${round}`, `b=${round}`]);
    if (round % 3 === 0) await scene.put([`once ${round}=${round}`, `a=${round}`]);
    await scene.world.ports.time.advance(300);
  }
  const written = scene.log.logEndOffset;
  await scene.clean();
  const left = await scene.texts();
  assert.ok(left.length < 10 && left.length >= 6, left.join(' '));
  assert.deepEqual(
    left.filter((text) => /:[ab]=/.test(text)).map((text) => text.slice(text.indexOf(':'))),
    [':a=11', ':b=11'],
  );
  const end = written + 1;
  for (const kill of [undefined, false, true]) {
    if (kill !== undefined) await scene.restart({ kill });
    for (const isolationLevel of [0, 1]) {
      for (let from = 0; from <= end; from++) {
        const expected = left.filter((text) => Number.parseInt(text) >= from);
        assert.deepEqual(await scene.texts(from, { isolationLevel }), expected, `from ${from}`);
        const { nextOffset } = await readFrom(scene.client, 't', from, { isolationLevel });
        assert.equal(nextOffset, end);
      }
    }
    const offsets = [await scene.client.listOffset('t', -2), await scene.client.listOffset('t', -1)];
    assert.deepEqual(
      offsets.map(({ offset }) => offset),
      [0, end],
    );
  }
  await scene.world.stop();
});

test('item 35: a time whose records are gone is answered with the first record that is left and not older', async () => {
  const scene = await Scene.begin();
  const firstMs = scene.world.ports.clock.nowMs();
  await scene.put(['a=1']);
  await scene.world.ports.time.advance(100);
  await scene.put(['b=1']);
  await scene.world.ports.time.advance(100);
  await scene.put(['a=2']);
  await scene.clean();
  assert.deepEqual(await scene.texts(), ['1:b=1', '2:a=2']);
  const answers = [];
  for (const after of [0, 150]) {
    const { offset, timestamp } = await scene.client.listOffset('t', firstMs + after);
    answers.push([offset, timestamp >= firstMs + after]);
  }
  assert.deepEqual(answers, [
    [1, true],
    [2, true],
  ]);
  await scene.world.stop();
});

test('item 35: a producer whose records are all gone goes on where it was, also after a kill', async () => {
  const scene = await Scene.begin();
  const of = (baseSequence: number) => ({ producerId: 7, producerEpoch: 2, baseSequence });
  await scene.put(['a=1', 'b=1'], of(0));
  await scene.put(['a=2'], of(2));
  await scene.put(['a=3', 'b=3']);
  await scene.clean();
  assert.deepEqual(await scene.texts(), ['3:a=3', '4:b=3']);
  for (const kill of [false, true]) {
    await scene.restart({ kill });
    assert.deepEqual(await scene.put(['a=2'], of(2)), { error: 'NONE', baseOffset: 2 }, 'a retry');
    assert.equal((await scene.put(['x=1'], of(9))).error, 'OUT_OF_ORDER_SEQUENCE_NUMBER');
  }
  assert.equal((await scene.put(['c=1'], of(3))).error, 'NONE');
  await scene.world.stop();
});

test('item 35: a segment that loses its last records keeps their last batch, empty, so it still ends where it did', async () => {
  const scene = await Scene.begin({ ...EAGER, 'segment.bytes': '1048576' });
  const large = 'v'.repeat(700_000);
  for (const value of [1, 2, 3]) {
    await scene.put([`kept ${value}=${large}`]);
    await scene.put([`a=${value}`, `b=${value}`]);
  }
  assert.deepEqual(scene.log.segmentBaseOffsets(), [0, 3, 6]);
  await scene.clean();
  const left = (await scene.texts()).map((text) => text.slice(0, 8));
  assert.deepEqual(left, ['0:kept 1', '3:kept 2', '6:kept 3', '7:a=3', '8:b=3']);
  const batches: string[] = [];
  for (let from = 0; from < scene.log.logEndOffset;) {
    const bytes = Buffer.concat((await scene.client.fetch('t', from)).records!);
    header.forEachBatch(bytes, (at) => {
      from = header.lastOffset(bytes, at) + 1;
      const [base, count] = [header.baseOffset(bytes, at), header.recordCount(bytes, at)];
      batches.push(`${base} to ${from - 1}: ${count}`);
    });
  }
  assert.deepEqual(batches, [
    '0 to 0: 1',
    '1 to 2: 0',
    '3 to 3: 1',
    '4 to 5: 0',
    '6 to 6: 1',
    '7 to 8: 2',
    '9 to 9: 1',
  ]);
  await scene.world.stop();
});

test('item 21, 35: after compaction what was committed is read, nothing of what was aborted, to the end', async () => {
  const scene = await Scene.begin();
  const committed = await TestProducer.begin(scene.world, 'committed');
  const aborted = await TestProducer.begin(scene.world, 'aborted');
  const send = async (producer: TestProducer, texts: readonly string[]): Promise<void> => {
    assert.equal(errorName((await producer.sendKeyed('t', texts)).errorCode), 'NONE');
  };
  const end = async (producer: TestProducer, isCommit: boolean): Promise<void> => {
    assert.equal(errorName(await producer.end(isCommit)), 'NONE');
    await scene.world.ports.time.advance(20);
  };
  await scene.put(['a=0', 'b=0']); // 0, 1
  await send(committed, ['a=1', 'c=1']); // 2, 3
  await send(aborted, ['b=never', 'd=never']); // 4, 5
  await end(committed, true); // 6
  await end(aborted, false); // 7
  await scene.clean(); // 8
  const expected = ['1:b=0', '2:a=1', '3:c=1'];
  for (const isolationLevel of [0, 1]) {
    assert.deepEqual(await scene.texts(0, { isolationLevel }), expected);
    assert.equal((await readFrom(scene.client, 't', 0, { isolationLevel })).nextOffset, 9);
  }
  // While a transaction is open nothing of it, nor what comes later, is decided.
  await send(aborted, ['a=open']); // 9
  await scene.put(['c=2']); // 10
  await scene.put(['c=3']); // 11
  await scene.world.ports.time.advance(1_100);
  await scene.put(['closes the segment=2']);
  await scene.world.ports.time.advance(2_000);
  assert.deepEqual(await scene.texts(), [...expected, '9:a=open', '10:c=2', '11:c=3']);
  assert.deepEqual(await scene.texts(0, COMMITTED), expected);
  await end(aborted, false);
  await scene.clean();
  for (const isolationLevel of [0, 1]) {
    assert.deepEqual(await scene.texts(0, { isolationLevel }), ['1:b=0', '2:a=1', '11:c=3']);
  }
  await scene.world.stop();
});

test('max.compaction.lag.ms of a topic has an old value cleaned away though nobody writes any more', async () => {
  const scene = await Scene.begin({
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': '1.0',
    'max.compaction.lag.ms': '5000',
  });
  await scene.put(['a=secret']);
  await scene.put(['a']);
  await scene.world.ports.time.advance(4_000);
  assert.deepEqual(await scene.texts(), ['0:a=secret', '1:a=null']);
  await scene.world.ports.time.advance(3_000);
  assert.deepEqual(await scene.texts(), ['1:a=null']);
  assert.equal((await scene.client.fetch('t', 0)).errorCode, Errors.NONE);
  await scene.world.stop();
});
