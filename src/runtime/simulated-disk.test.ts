import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, put, testDiskContract, throws } from './disk-contract.ts';
import { SimulatedProcess, SimulatedTime } from './simulated-clock.ts';
import { SimulatedCrash, SimulatedDisk } from './simulated-disk.ts';
import type { SimulatedDiskOptions } from './simulated-disk.ts';

function makeDisk(options: Partial<SimulatedDiskOptions> = {}): SimulatedDisk {
  const { clock } = new SimulatedProcess(new SimulatedTime({ seed: 1 }));
  return new SimulatedDisk({ seed: 1, clock, ...options });
}

/** A file whose name and bytes are durable. */
function putDurably(disk: SimulatedDisk, name: string, text: string): void {
  put(disk, `/${name}`, text);
  const file = disk.open(`/${name}`, 'write');
  file.syncNow();
  file.close();
  disk.syncDirectory('/');
}

function overwrite(disk: SimulatedDisk, path: string, bytes: string | Buffer): void {
  const file = disk.open(path, 'write');
  file.write(0, [Buffer.from(bytes)]);
  file.close();
}

testDiskContract('the simulated disk', () => {
  const disk = makeDisk();
  disk.makeDirectory('/data');
  return { disk, folder: '/data' };
});

test('a power cut loses what was not synced, a killed process loses nothing', () => {
  const disk = makeDisk();
  putDurably(disk, 'a', 'old');
  overwrite(disk, '/a', 'newer');
  const killed = disk.restart('keep');
  assert.equal(get(killed, '/a'), 'newer');
  assert.equal(get(killed.restart('lose'), '/a'), 'old');
});

test('a file that was synced is lost with its name until the folder is synced', () => {
  const disk = makeDisk();
  put(disk, '/a', 'abc');
  disk.open('/a', 'write').syncNow();
  assert.deepEqual(disk.restart('lose').list('/'), []);
});

test('a folder that was not synced into its parent takes everything below with it', () => {
  const disk = makeDisk();
  disk.makeDirectory('/x');
  put(disk, '/x/a', 'abc');
  disk.open('/x/a', 'write').syncNow();
  disk.syncDirectory('/x');
  assert.deepEqual(disk.restart('lose').list('/'), []);
});

test('a rename or a removal that was not synced comes undone', () => {
  const disk = makeDisk();
  putDurably(disk, 'a', '1');
  putDurably(disk, 'b', '2');
  putDurably(disk, 'c', '3');
  disk.rename('/a', '/b');
  disk.remove('/c');
  assert.deepEqual(disk.list('/'), ['b']);
  const after = disk.restart('lose');
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => get(after, `/${name}`)),
    ['1', '2', '3'],
  );
});

test('within one folder a rename survives whole or not at all', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const disk = makeDisk({ seed });
    putDurably(disk, 'a', 'new');
    putDurably(disk, 'b', 'old');
    disk.rename('/a', '/b');
    const after = disk.restart('random');
    seen.add(
      after
        .list('/')
        .map((name) => `${name}=${get(after, `/${name}`)}`)
        .join(),
    );
  }
  assert.deepEqual([...seen].sort(), ['a=new,b=old', 'b=new']);
});

test('renaming what was never synced over what was can leave an empty file', () => {
  const disk = makeDisk();
  putDurably(disk, 'b', 'old');
  put(disk, '/a', 'new');
  disk.rename('/a', '/b');
  disk.syncDirectory('/');
  assert.equal(get(disk.restart('lose'), '/b'), '');
});

test('a random crash keeps some pages, loses others, tears some, and never touches what was synced', () => {
  const kinds = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = makeDisk({ seed });
    const file = disk.open('/a', 'create');
    file.write(0, [Buffer.alloc(4096, 1)]);
    file.syncNow();
    disk.syncDirectory('/');
    file.write(4096, [Buffer.alloc(3 * 4096, 2)]);
    const after = Buffer.from(get(disk.restart('random'), '/a'), 'latin1');
    assert.ok(after.subarray(0, 4096).every((byte) => byte === 1));
    for (let page = 4096; page < after.length; page += 4096) {
      const bytes = new Set(after.subarray(page, page + 4096));
      kinds.add([...bytes].join());
      if (bytes.size === 2) assert.equal(after[page], 2, 'a torn page has its beginning');
    }
    kinds.add(after.length === 4096 ? 'short' : after.length === 4 * 4096 ? 'long' : 'between');
  }
  assert.deepEqual([...kinds].sort(), ['0', '2', '2,0', 'between', 'long', 'short']);
});

test('a sync makes durable what was there when it began', async () => {
  const { time, disk } = timed();
  const file = disk.open('/a', 'create');
  disk.syncDirectory('/');
  file.write(0, [Buffer.from('abc')]);
  const sync = file.sync();
  file.write(0, [Buffer.from('xyz!')]);
  await time.settle(sync);
  assert.equal(get(disk.restart('lose'), '/a'), 'abc');
});

test('of two syncs of a file under way the later one counts, whichever ends last', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { time, disk } = timed(seed);
    const file = disk.open('/a', 'create');
    disk.syncDirectory('/');
    file.write(0, [Buffer.from('abc')]);
    const first = file.sync();
    file.write(0, [Buffer.from('xyz')]);
    await time.settle(Promise.all([first, file.sync()]));
    assert.equal(get(disk.restart('lose'), '/a'), 'xyz');
  }
});

test('a crash during a sync leaves it unsettled or rejected and nothing promised', async () => {
  const { time, disk } = timed();
  const file = disk.open('/a', 'create');
  disk.syncDirectory('/');
  file.write(0, [Buffer.from('abc')]);
  const sync = file.sync();
  const next = disk.restart('lose');
  await assert.rejects(time.settle(sync), SimulatedCrash);
  assert.equal(get(next, '/a'), '');
});

function timed(seed = 1) {
  const time = new SimulatedTime({ seed });
  const { clock, timers } = new SimulatedProcess(time);
  return { time, disk: new SimulatedDisk({ seed: 1, clock, timers, syncLatencyMs: 5 }) };
}

test('after a failed sync the pages are gone though reads show them, and the handle stays failed', () => {
  let failing = true;
  const fault = ({ kind }: { kind: string }) => (kind === 'sync' && failing ? 'EIO' : undefined);
  const disk = makeDisk({ fault });
  const file = disk.open('/a', 'create');
  disk.syncDirectory('/');
  file.write(0, [Buffer.from('abc')]);
  throws('EIO', () => file.syncNow());
  failing = false;
  throws('EIO', () => file.syncNow());
  disk.open('/a', 'write').syncNow();
  assert.equal(get(disk, '/a'), 'abc');
  assert.equal(get(disk.restart('lose'), '/a'), '\0\0\0');
});

test('a full disk takes a part of a write at most and says ENOSPC', () => {
  const disk = makeDisk({ capacityBytes: 5 });
  const file = disk.open('/a', 'create');
  file.write(0, [Buffer.from('abc')]);
  throws('ENOSPC', () => file.write(3, [Buffer.from('def')]));
  assert.equal(disk.space('/').usableBytes, 2);
  file.write(3, [Buffer.from('de')]);
});

test('a crash at each operation in turn stops there, and nothing works afterwards', () => {
  const work = (disk: SimulatedDisk): void => {
    disk.makeDirectory('/x');
    put(disk, '/x/a', 'abc');
    disk.open('/x/a', 'write').syncNow();
    disk.rename('/x/a', '/x/b');
    disk.syncDirectory('/x');
    disk.remove('/x/b');
    disk.removeDirectory('/x');
  };
  const whole = makeDisk();
  work(whole);
  assert.equal(whole.operations, 9);
  for (let crashAt = 1; crashAt <= whole.operations; crashAt++) {
    const disk = makeDisk({ crashAt });
    assert.throws(() => work(disk), SimulatedCrash);
    assert.equal(disk.operations, crashAt);
    assert.throws(() => disk.list('/'), SimulatedCrash);
    assert.throws(() => disk.stat('/'), SimulatedCrash);
    assert.doesNotThrow(() => disk.restart('keep').list('/'));
  }
});

test('a crash frees the locks of the process', () => {
  const disk = makeDisk();
  assert.ok(disk.lock('/.lock'));
  assert.ok(disk.restart('keep').lock('/.lock'));
});

test('damage shows in what is read, also after a restart', () => {
  const disk = makeDisk();
  putDurably(disk, 'a', 'abc');
  disk.corrupt('/a', 1, Buffer.from('X'));
  assert.equal(get(disk, '/a'), 'aXc');
  assert.equal(get(disk.restart('lose'), '/a'), 'aXc');
});

test('a folder synced in the background holds what was changed before the call, whichever ends first', async () => {
  const disk = makeDisk();
  putDurably(disk, 'a', '1');
  disk.rename('/a', '/b');
  const synced = disk.syncDirectoryAsync('/');
  disk.rename('/b', '/c');
  await synced;
  const names = [disk.restart('lose').list('/')];
  const other = makeDisk();
  putDurably(other, 'a', '1');
  other.rename('/a', '/b');
  const slow = other.syncDirectoryAsync('/');
  other.rename('/b', '/c');
  other.syncDirectory('/');
  await slow;
  names.push(other.restart('lose').list('/'));
  assert.deepEqual(names, [['b'], ['c']]);
});
