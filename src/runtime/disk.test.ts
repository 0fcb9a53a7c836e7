import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testDiskContract } from './disk-contract.ts';
import { realDisk, skip } from './disk.ts';

const root = mkdtempSync(join(tmpdir(), 'headrace-disk-'));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

function emptyFolder(): string {
  folders += 1;
  const folder = join(root, String(folders));
  realDisk().makeDirectory(folder);
  return folder;
}

testDiskContract('the real disk', () => ({ disk: realDisk(), folder: emptyFolder() }));

test('after a short write exactly the bytes that are missing are left', () => {
  const buffers = [Buffer.from('abc'), Buffer.from(''), Buffer.from('defg'), Buffer.from('h')];
  for (let count = 0; count <= 8; count++) {
    assert.equal(Buffer.concat(skip(buffers, count)).toString(), 'abcdefgh'.slice(count));
  }
});

if (process.platform === 'linux') {
  test('a device that is full shows as ENOSPC', () => {
    const file = realDisk().open('/dev/full', 'write');
    const full = { name: 'DiskError', code: 'ENOSPC', path: '/dev/full' };
    assert.throws(() => file.write(0, [Buffer.from('x')]), full);
    assert.throws(() => file.write(0, [Buffer.from('x'), Buffer.from('y')]), full);
    file.close();
  });
}

if (process.platform === 'linux') {
  test('a folder that the system will not make is refused, at any depth', () => {
    const refused = { name: 'DiskError' };
    assert.throws(() => realDisk().makeDirectory('/proc/headrace'), refused);
    assert.throws(() => realDisk().makeDirectory('/proc/headrace/deeper'), refused);
  });
}

test('a lock of another process holds, and is free at once after that process was killed', async (t) => {
  const path = join(emptyFolder(), '.lock');
  const program = `
    import { realDisk } from ${JSON.stringify(new URL('./disk.ts', import.meta.url).href)};
    const isHeld = realDisk().lock(process.argv[1]) !== undefined;
    // Nobody has a reference to the lock: it holds all the same.
    gc();
    console.log(isHeld);
    process.stdin.resume();`;
  const holder = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', program, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill('SIGKILL'));
  const [answer] = (await once(holder.stdout, 'data')) as [Buffer];
  assert.equal(answer.toString().trim(), 'true');
  assert.equal(realDisk().lock(path), undefined);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const lock = realDisk().lock(path);
  assert.ok(lock);
  lock.release();
});

test('a lock where no file can be is an error and not a lock held by somebody else', () => {
  const folder = emptyFolder();
  assert.throws(() => realDisk().lock(join(folder, 'missing', '.lock')), { name: 'DiskError' });
});
