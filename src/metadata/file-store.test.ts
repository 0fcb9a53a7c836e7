import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Disk, MetadataStore, RangeResult } from '../base/ports.ts';
import { realDisk } from '../runtime/disk.ts';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedCrash, SimulatedDisk } from '../runtime/simulated-disk.ts';
import type { SimulatedDiskOptions } from '../runtime/simulated-disk.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { openFileStore } from './file-store.ts';
import { put, recordingWatcher, remove, shown, testStoreContract, turn } from './store-contract.ts';

const PATH = '/data/metadata/store.log';

function makeDisk(options: Partial<SimulatedDiskOptions> = {}): SimulatedDisk {
  const { clock } = new SimulatedProcess(new SimulatedTime({ seed: 1 }));
  return new SimulatedDisk({ seed: 1, clock, ...options });
}

function open(disk: Disk, rewriteBytesMin?: number): MetadataStore {
  const options = { disk, random: new SimulatedRandom(5), path: PATH };
  return openFileStore(rewriteBytesMin === undefined ? options : { ...options, rewriteBytesMin });
}

testStoreContract('the file store', () => open(makeDisk()));
testStoreContract('the file store that is rewritten all the time', () => open(makeDisk(), 1));

test('a store that is opened again has the same keys at the same revision', async () => {
  for (const rewriteBytesMin of [1, 100_000]) {
    const disk = makeDisk();
    const store = open(disk, rewriteBytesMin);
    for (let step = 0; step < 50; step++)
      await store.txn([], [put(`k${step % 7}`, String(step)), remove(`k${step % 5}x`)]);
    const before = await store.range('');
    await store.close();
    const again = open(disk, rewriteBytesMin);
    assert.deepEqual(await again.range(''), before);
    assert.equal((await again.txn([], [put('new', '')])).revision, before.revision + 1);
  }
});

test('on the real disk too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-store-'));
  const options = {
    disk: realDisk(),
    random: new SimulatedRandom(1),
    path: join(folder, 'a/b/store.log'),
    rewriteBytesMin: 2000,
  };
  const store = openFileStore(options);
  assert.throws(() => openFileStore(options), { code: 'inUse', message: /in use/ });
  await Promise.all(
    Array.from({ length: 200 }, (_, index) => store.txn([], [put(`k${index}`, 'x'.repeat(index))])),
  );
  for (let index = 0; index < 20; index++) await store.txn([], [put('k', String(index))]);
  const before = await store.range('');
  await store.close();
  const again = openFileStore(options);
  assert.deepEqual(await again.range(''), before);
  assert.equal(before.entries.length, 201);
  await again.close();
  rmSync(folder, { recursive: true });
});

test('transactions that come together become durable together', async () => {
  let syncs = 0;
  const disk = makeDisk({ onOperation: ({ kind }) => void (syncs += Number(kind === 'sync')) });
  const store = open(disk);
  syncs = 0;
  await Promise.all(Array.from({ length: 100 }, (_, index) => store.txn([], [put(`k${index}`, '')])));
  assert.equal(syncs, 1);
});

test('nothing is answered, read or shown before it is durable', async () => {
  const time = new SimulatedTime({ seed: 1 });
  const { clock, timers } = new SimulatedProcess(time);
  const disk = new SimulatedDisk({ seed: 1, clock, timers, syncLatencyMs: 10 });
  const store = open(disk);
  const log: string[] = [];
  const watcher = recordingWatcher();
  store.watch('', 1, watcher);
  const note = (name: string) => () => void log.push(`${name}@${time.nowMs()}`);
  void store.txn([], [put('a', '1')]).then(note('txn'));
  void store.range('').then(note('range'));
  void store.txn([{ key: 'a', createRevision: 0 }], []).then(note('refused'));
  await time.advance(5);
  void store.txn([], [put('a', '2')]).then(note('second'));
  await time.advance(4);
  assert.deepEqual([log, watcher.log], [[], []]);
  await time.advance(1);
  assert.deepEqual(watcher.log, ['2: a=1']);
  await time.advance(100);
  assert.deepEqual(log, ['txn@10', 'range@10', 'refused@10', 'second@20']);
  assert.deepEqual(watcher.log, ['2: a=1', '3: a=2']);
});

test('the file stays in proportion to its content', async () => {
  const disk = makeDisk();
  const store = open(disk, 2000);
  for (let step = 0; step < 1000; step++) await store.txn([], [put('k', `value ${step}`)]);
  assert.ok(disk.stat(PATH)!.sizeBytes < 2200);
  assert.deepEqual(disk.list('/data/metadata'), ['store.log']);
});

test('what a crash left of a file to be is removed', async () => {
  const disk = makeDisk();
  await open(disk).close();
  const file = disk.open(`${PATH}.tmp`, 'create');
  file.write(0, [Buffer.alloc(5000, 1)]);
  const store = open(disk);
  assert.deepEqual(disk.list('/data/metadata'), ['store.log']);
  await store.close();
});

test('a watch from before the snapshot is told that its events are gone', async () => {
  const disk = makeDisk();
  const store = open(disk, 1);
  for (let step = 0; step < 5; step++) await store.txn([], [put('k', String(step))]);
  const { revision } = await store.range('');
  await store.close();
  const again = open(disk);
  const late = recordingWatcher();
  const inTime = recordingWatcher();
  again.watch('', revision - 2, late);
  again.watch('', revision + 1, inTime);
  await again.txn([], [put('k', 'next')]);
  await turn();
  assert.deepEqual(late.log, ['lost compacted']);
  assert.deepEqual(inTime.log, [`${revision + 1}: k=next`]);
});

test('the keys of the former process are gone, by a change of their own', async () => {
  for (const rewriteBytesMin of [1, 100_000]) {
    const disk = makeDisk();
    const store = open(disk, rewriteBytesMin);
    const session = await store.session(1000);
    await store.txn([], [put('mine', '1', session.id), put('ours', '2')]);
    const { revision } = await store.txn([], [put('mine too', '1', session.id)]);
    const next = disk.restart('lose');
    const again = open(next, rewriteBytesMin);
    assert.deepEqual(shown(await again.range('')), ['ours=2']);
    assert.equal((await again.range('')).revision, revision + 1);
    await again.txn([], [put('mine', '3')]);
    await again.close();
    const third = await open(next).range('');
    assert.deepEqual([third.revision, shown(third)], [revision + 2, ['mine=3', 'ours=2']]);
  }
});

/** A store of three frames after the snapshot, closed; `last` is where the last one begins. */
async function threeFrames(): Promise<{ disk: SimulatedDisk; last: number; size: number }> {
  const disk = makeDisk();
  const store = open(disk);
  await store.txn([], [put('a', '1')]);
  await store.txn([], [put('b', '2')]);
  const last = disk.stat(PATH)!.sizeBytes;
  await store.txn([], [put('c', '3')]);
  await store.close();
  return { disk, last, size: disk.stat(PATH)!.sizeBytes };
}

test('a last frame that is cut or torn anywhere is cut off, and the store goes on', async () => {
  const { last, size } = await threeFrames();
  for (let position = last; position < size; position++) {
    for (const damage of ['cut', 'torn', 'zeros']) {
      const { disk } = await threeFrames();
      const file = disk.open(PATH, 'write');
      if (damage === 'cut') file.truncate(position);
      else if (damage === 'torn') flip(disk, position);
      else file.write(position, [Buffer.alloc(10_000)]);
      file.close();
      const store = open(disk);
      assert.deepEqual(shown(await store.range('')), ['a=1', 'b=2'], `${damage} at ${position}`);
      assert.equal(disk.stat(PATH)!.sizeBytes, last);
      await store.txn([], [put('d', '4')]);
      await store.close();
      assert.deepEqual(shown(await open(disk).range('')), ['a=1', 'b=2', 'd=4']);
    }
  }
});

test('damage anywhere before the last frame refuses to open', async () => {
  const { last } = await threeFrames();
  for (let position = 0; position < last; position++) {
    const { disk } = await threeFrames();
    flip(disk, position);
    assert.throws(() => open(disk), { name: 'MetadataStoreError', code: 'failed' }, `byte ${position}`);
    assert.ok(disk.lock(`${PATH}.lock`), 'the lock is free again');
  }
});

function flip(disk: SimulatedDisk, position: number): void {
  const file = disk.open(PATH, 'read');
  const byte = Buffer.alloc(1);
  file.read(position, byte);
  disk.corrupt(PATH, position, Buffer.from([byte[0]! ^ 0x41]));
}

test('a failed sync ends the store; what was answered before is there when it is opened again', async () => {
  let failing = false;
  const disk = makeDisk({ fault: ({ kind }) => (failing && kind === 'sync' ? 'EIO' : undefined) });
  const store = open(disk);
  const watcher = recordingWatcher();
  const session = await store.session(1000);
  let lost = 0;
  session.onLost = () => (lost += 1);
  await store.txn([], [put('a', '1')]);
  store.watch('', 3, watcher);
  failing = true;
  await assert.rejects(store.txn([], [put('b', '2')]), { code: 'indeterminate' });
  await assert.rejects(store.txn([], [put('c', '3')]), { code: 'failed' });
  await assert.rejects(store.range(''), { code: 'failed' });
  await turn();
  assert.deepEqual([lost, watcher.log], [1, ['lost failed']]);
  failing = false;
  assert.deepEqual(shown(await open(disk.restart('lose')).range('')), ['a=1']);
});

test('a device too full for a new file goes on with the old one', async () => {
  for (const failing of ['open', 'write', 'sync']) {
    const disk = makeDisk({
      fault: ({ kind, path }) =>
        kind === failing && path.endsWith('.tmp') && disk.stat(PATH) ? 'ENOSPC' : undefined,
    });
    await open(disk).close();
    const store = open(disk, 500);
    for (let step = 0; step < 100; step++) await store.txn([], [put('k', String(step))]);
    assert.deepEqual(disk.list('/data/metadata'), ['store.log']);
    const before = await store.range('');
    assert.deepEqual(await open(disk.restart('lose')).range(''), before);
  }
});

interface Journal {
  /** What the store holds at each revision. */
  readonly states: Map<number, readonly string[]>;
  acknowledged: number;
}

/** The same transactions each time, some one by one and some together, with values of many pages. */
async function work(disk: Disk, journal: Journal): Promise<void> {
  const store = open(disk, 9000);
  const current = new Map<string, string>();
  let revision = (await store.range('')).revision;
  journal.acknowledged = revision;
  journal.states.set(revision, []);
  for (let step = 0; step < 12; step++) {
    const together = step % 3 === 0 ? 4 : 1;
    const calls = [];
    for (let index = 0; index < together; index++) {
      const [key, gone, value] = [
        `k${(step + index) % 4}`,
        `k${(step + index + 1) % 4}`,
        'x'.repeat((step * 700) % 6000),
      ];
      calls.push(store.txn([], [put(key, value), put('step', `${step}/${index}`), remove(gone)]));
      current.set(key, value).set('step', `${step}/${index}`).delete(gone);
      revision += 1;
      journal.states.set(revision, [...current].map(([name, text]) => `${name}=${text}`).sort());
    }
    for (const call of await Promise.allSettled(calls)) {
      if (call.status === 'rejected') throw (call.reason as Error).cause;
      journal.acknowledged = Math.max(journal.acknowledged, call.value.revision);
    }
  }
  await store.close();
}

function isAllowed(result: RangeResult, journal: Journal): void {
  assert.ok(result.revision >= journal.acknowledged, `revision ${result.revision} < ${journal.acknowledged}`);
  assert.deepEqual(shown(result), journal.states.get(result.revision));
}

test('a crash at any disk operation loses no acknowledged transaction and tears none', async () => {
  const whole = makeDisk();
  await work(whole, { states: new Map(), acknowledged: 0 });
  assert.ok(whole.operations > 40, `${whole.operations} operations`);
  for (let crashAt = 1; crashAt <= whole.operations; crashAt++) {
    for (const [unsynced, seeds] of [
      ['lose', 1],
      ['keep', 1],
      ['random', 6],
    ] as const) {
      for (let seed = 0; seed < seeds; seed++) {
        const disk = makeDisk({ seed, crashAt });
        const journal: Journal = { states: new Map([[1, []]]), acknowledged: 0 };
        await assert.rejects(work(disk, journal), SimulatedCrash);
        await opensAfter(disk, { unsynced, seed, journal });
      }
    }
  }
});

/** Opens what is left, dying again at each operation of the opening itself. */
async function opensAfter(
  dead: SimulatedDisk,
  { unsynced, seed, journal }: { unsynced: 'lose' | 'keep' | 'random'; seed: number; journal: Journal },
): Promise<void> {
  let disk = dead.restart(unsynced);
  for (let crashAt = 1; crashAt < 20; crashAt++) {
    disk = disk.restart(seed % 2 === 0 ? unsynced : 'keep', { crashAt });
    try {
      open(disk);
      break;
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
    }
  }
  disk = disk.restart('lose');
  const store = open(disk);
  const found = await store.range('');
  isAllowed(found, journal);
  await store.txn([], [put('after', 'crash')]);
  const again = await open(disk.restart('lose')).range('');
  assert.equal(again.revision, found.revision + 1);
}
