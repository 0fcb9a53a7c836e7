/** What every Disk keeps to: one list of checks, run against the real, the memory and the simulated disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError } from '../base/ports.ts';
import type { Disk } from '../base/ports.ts';

/** `make` gives a disk and an empty folder on it. */
export function testDiskContract(name: string, make: () => { disk: Disk; folder: string }): void {
  const check = (behaviour: string, body: (disk: Disk, folder: string) => void | Promise<void>): void => {
    test(`${name}: ${behaviour}`, async () => {
      const { disk, folder } = make();
      await body(disk, folder);
    });
  };

  check('a missing file opens only for creation', (disk, folder) => {
    throws('ENOENT', () => disk.open(`${folder}/a`, 'read'));
    throws('ENOENT', () => disk.open(`${folder}/a`, 'write'));
    throws('ENOENT', () => disk.open(`${folder}/missing/a`, 'create'));
    throws('EISDIR', () => disk.open(folder, 'read'));
    disk.open(`${folder}/a`, 'create').close();
    assert.deepEqual(disk.list(folder), ['a']);
    assert.equal(disk.stat(`${folder}/a`)?.sizeBytes, 0);
  });

  check('opening for creation keeps what is there', (disk, folder) => {
    put(disk, `${folder}/a`, 'hello');
    const file = disk.open(`${folder}/a`, 'create');
    assert.equal(file.sizeBytes(), 5);
    file.close();
    assert.equal(get(disk, `${folder}/a`), 'hello');
  });

  check('several buffers are written one after the other and read back at once', async (disk, folder) => {
    const file = disk.open(`${folder}/a`, 'create');
    const parts = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(index % 7, index % 251));
    file.write(0, parts);
    const expected = Buffer.concat(parts);
    assert.equal(file.sizeBytes(), expected.length);
    const target = Buffer.alloc(expected.length + 10);
    assert.equal(file.read(0, target), expected.length);
    assert.deepEqual(target.subarray(0, expected.length), expected);
    const part = Buffer.alloc(100);
    assert.equal(await file.readAsync(expected.length - 40, part), 40);
    assert.deepEqual(part.subarray(0, 40), expected.subarray(-40));
    assert.equal(await file.readAsync(expected.length, part), 0);
    file.close();
  });

  check('a write inside overwrites, one beyond the end is refused', (disk, folder) => {
    const file = disk.open(`${folder}/a`, 'create');
    file.write(0, [Buffer.from('abcdef')]);
    file.write(2, [Buffer.from('XY')]);
    file.write(6, [Buffer.from('gh')]);
    file.write(8, []);
    throws('EINVAL', () => file.write(9, [Buffer.from('z')]));
    throws('EINVAL', () => file.write(-1, [Buffer.from('z')]));
    file.close();
    assert.equal(get(disk, `${folder}/a`), 'abXYefgh');
  });

  check('a handle for reading does not write, and follows a length that grows', (disk, folder) => {
    const writer = disk.open(`${folder}/a`, 'create');
    const reader = disk.open(`${folder}/a`, 'read');
    writer.write(0, [Buffer.from('abc')]);
    assert.equal(reader.sizeBytes(), 3);
    assert.throws(() => reader.write(0, [Buffer.from('x')]), DiskError);
    assert.throws(() => reader.truncate(0), DiskError);
    writer.close();
    reader.close();
  });

  check('a time of the last write that was set stays until the next write', (disk, folder) => {
    const path = `${folder}/a`;
    const file = disk.open(path, 'create');
    file.write(0, [Buffer.from('a')]);
    const before = disk.stat(path)!.modifiedMs;
    file.setModified(1_000_000_000_123);
    assert.equal(disk.stat(path)!.modifiedMs, 1_000_000_000_123);
    disk.rename(path, `${path}.moved`);
    assert.equal(disk.stat(`${path}.moved`)!.modifiedMs, 1_000_000_000_123);
    file.write(1, [Buffer.from('b')]);
    assert.ok(disk.stat(`${path}.moved`)!.modifiedMs >= before);
    file.close();
  });

  check('truncating forgets the end, and growing again shows zeros', (disk, folder) => {
    const file = disk.open(`${folder}/a`, 'create');
    file.write(0, [Buffer.alloc(10_000, 1)]);
    file.truncate(5000);
    assert.equal(file.sizeBytes(), 5000);
    file.truncate(6000);
    const target = Buffer.alloc(6000, 9);
    assert.equal(file.read(0, target), 6000);
    assert.deepEqual(target, Buffer.concat([Buffer.alloc(5000, 1), Buffer.alloc(1000)]));
    file.close();
  });

  check('a rename replaces the target, and open handles go with their file', (disk, folder) => {
    put(disk, `${folder}/a`, 'new');
    put(disk, `${folder}/b`, 'old');
    const old = disk.open(`${folder}/b`, 'read');
    disk.rename(`${folder}/a`, `${folder}/b`);
    assert.deepEqual(disk.list(folder), ['b']);
    assert.equal(get(disk, `${folder}/b`), 'new');
    const target = Buffer.alloc(3);
    assert.equal(old.read(0, target), 3);
    assert.equal(target.toString(), 'old');
    old.close();
    throws('ENOENT', () => disk.rename(`${folder}/a`, `${folder}/c`));
  });

  check(
    'folders are made with their parents, renamed and removed with their content',
    async (disk, folder) => {
      disk.makeDirectory(`${folder}/x/y`);
      disk.makeDirectory(`${folder}/x/y`);
      put(disk, `${folder}/x/y/file`, 'abc');
      assert.equal(disk.stat(`${folder}/x`)?.isDirectory, true);
      disk.rename(`${folder}/x`, `${folder}/z`);
      assert.equal(get(disk, `${folder}/z/y/file`), 'abc');
      disk.syncDirectory(`${folder}/z`);
      disk.syncDirectory(folder);
      await disk.syncDirectoryAsync(`${folder}/z`);
      await assert.rejects(disk.syncDirectoryAsync(`${folder}/x`), { name: 'DiskError', code: 'ENOENT' });
      disk.removeDirectory(`${folder}/z`);
      disk.removeDirectory(`${folder}/z`);
      assert.deepEqual(disk.list(folder), []);
      throws('ENOENT', () => disk.list(`${folder}/z`));
      put(disk, `${folder}/file`, '');
      throws('ENOTDIR', () => disk.list(`${folder}/file`));
      assert.equal(disk.stat(`${folder}/file/below`), undefined);
    },
  );

  check('removing a missing file is no error', (disk, folder) => {
    put(disk, `${folder}/a`, 'abc');
    disk.remove(`${folder}/a`);
    disk.remove(`${folder}/a`);
    assert.equal(disk.stat(`${folder}/a`), undefined);
  });

  check('files and folders are removed without blocking, missing ones are no error', async (disk, folder) => {
    put(disk, `${folder}/a`, 'abc');
    const open = disk.open(`${folder}/a`, 'read');
    await Promise.all([disk.removeAsync(`${folder}/a`), disk.removeAsync(`${folder}/missing/a`)]);
    assert.equal(disk.stat(`${folder}/a`), undefined);
    // Who has it open may finish.
    assert.equal(open.read(0, Buffer.alloc(3)), 3);
    open.close();
    await disk.removeAsync(`${folder}/a`);
    disk.makeDirectory(`${folder}/x/y`);
    put(disk, `${folder}/x/file`, 'abc');
    put(disk, `${folder}/x/y/file`, 'abc');
    await disk.removeDirectoryAsync(`${folder}/x`);
    await disk.removeDirectoryAsync(`${folder}/x`);
    assert.deepEqual(disk.list(folder), []);
  });

  check('a closed file refuses everything, closing twice is no error', async (disk, folder) => {
    const file = disk.open(`${folder}/a`, 'create');
    file.write(0, [Buffer.from('abc')]);
    await file.sync();
    file.syncNow();
    const reading = file.readAsync(0, Buffer.alloc(3));
    const syncing = file.sync();
    file.close();
    file.close();
    assert.equal(await reading, 3);
    await syncing;
    throws('EBADF', () => file.write(3, [Buffer.from('d')]));
    throws('EBADF', () => file.read(0, Buffer.alloc(1)));
    throws('EBADF', () => file.sizeBytes());
    throws('EBADF', () => file.truncate(0));
    throws('EBADF', () => file.syncNow());
    await assert.rejects(file.sync(), { code: 'EBADF' });
    await assert.rejects(file.readAsync(0, Buffer.alloc(1)), { code: 'EBADF' });
  });

  check('a lock is given once until it is released', (disk, folder) => {
    const lock = disk.lock(`${folder}/.lock`);
    assert.ok(lock);
    assert.equal(disk.lock(`${folder}/.lock`), undefined);
    const other = disk.lock(`${folder}/.other`);
    assert.ok(other);
    lock.release();
    lock.release();
    const again = disk.lock(`${folder}/.lock`);
    assert.ok(again);
    lock.release();
    assert.equal(disk.lock(`${folder}/.lock`), undefined);
    again.release();
    other.release();
  });

  check('space tells what the volume has', (disk, folder) => {
    const { totalBytes, usableBytes } = disk.space(folder);
    assert.ok(usableBytes > 0 && usableBytes <= totalBytes);
  });
}

export function throws(code: string, call: () => unknown): void {
  assert.throws(call, (error) => error instanceof DiskError && error.code === code, `expected ${code}`);
}

export function put(disk: Disk, path: string, text: string): void {
  const file = disk.open(path, 'create');
  file.truncate(0);
  file.write(0, [Buffer.from(text)]);
  file.close();
}

export function get(disk: Disk, path: string): string {
  const file = disk.open(path, 'read');
  const target = Buffer.alloc(file.sizeBytes());
  file.read(0, target);
  file.close();
  return target.toString();
}
