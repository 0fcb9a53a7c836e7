import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from './clock.ts';
import { get, put, testDiskContract, throws } from './disk-contract.ts';
import { memoryDisk } from './memory-disk.ts';
import { PagedBytes } from './paged-bytes.ts';

testDiskContract('the memory disk', () => {
  const disk = memoryDisk({ clock: realClock() });
  disk.makeDirectory('/data');
  return { disk, folder: '/data' };
});

test('the memory disk is full at its capacity, and removing a file gives its space back', () => {
  const disk = memoryDisk({ clock: realClock(), capacityBytes: 10 });
  put(disk, '/a', '123456');
  throws('ENOSPC', () => put(disk, '/b', '12345'));
  put(disk, '/b', '1234');
  assert.equal(disk.space('/').usableBytes, 0);
  disk.rename('/b', '/a');
  assert.equal(disk.space('/').usableBytes, 6);
  assert.equal(get(disk, '/a'), '1234');
  disk.makeDirectory('/folder');
  put(disk, '/folder/c', '123456');
  throws('ENOSPC', () => put(disk, '/d', '1'));
  disk.removeDirectory('/folder');
  disk.remove('/a');
  assert.equal(disk.space('/').usableBytes, 10);
});

test('a folder cannot be moved into itself, nor over a file or a folder with content', () => {
  const disk = memoryDisk({ clock: realClock() });
  disk.makeDirectory('/a/b');
  disk.makeDirectory('/c/d');
  put(disk, '/file', '');
  throws('EINVAL', () => disk.rename('/a', '/a/b/c'));
  throws('ENOTDIR', () => disk.rename('/a', '/file'));
  throws('EISDIR', () => disk.rename('/file', '/a'));
  throws('ENOTEMPTY', () => disk.rename('/a', '/c'));
  throws('EISDIR', () => disk.remove('/a'));
  throws('EBUSY', () => disk.removeDirectory('/'));
  disk.rename('/a', '/a');
  assert.deepEqual(disk.list('/'), ['a', 'c', 'file']);
});

test('paged bytes agree with one flat buffer', () => {
  const bytes = new PagedBytes(1024);
  let flat = Buffer.alloc(0);
  for (let step = 0; step < 500; step++) {
    const position = (step * 7919) % (flat.length + 1);
    if (step % 17 === 16) {
      const size = (step * 131) % (flat.length + 500);
      bytes.truncate(size);
      flat = Buffer.concat([flat.subarray(0, size), Buffer.alloc(Math.max(0, size - flat.length))]);
    } else {
      const part = Buffer.alloc((step * 37) % 3000, (step % 255) + 1);
      bytes.write(position, part);
      flat = Buffer.concat([flat.subarray(0, position), part, flat.subarray(position + part.length)]);
    }
    const target = Buffer.alloc(flat.length);
    assert.equal(bytes.read(0, target), flat.length);
    assert.ok(target.equals(flat), `step ${step}`);
  }
  assert.ok(
    bytes
      .copy()
      .page(0)
      .equals(Buffer.concat([flat, Buffer.alloc(1024)]).subarray(0, 1024)),
  );
});
