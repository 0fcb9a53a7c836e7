import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Connection, DiskFile, FileRegion, Outgoing } from '../base/ports.ts';
import { realDisk } from './disk.ts';
import { silentLogger } from './logger.ts';
import { realNetwork } from './network.ts';
import { RealRegion } from './real-region.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'headrace-regions-'));
after(() => fs.rmSync(folder, { recursive: true }));

const FILE_BYTES = 8 * 1024 * 1024;
const content = Buffer.alloc(FILE_BYTES);
for (let at = 0; at < FILE_BYTES; at += 4) content.writeInt32LE(at, at);

const network = realNetwork({ logger: silentLogger() });
const disk = realDisk();
/** Where the system cannot send files these tests still hold, by the ordinary path. */
const canSend = disk.regionBytesMin < Infinity;

async function pair(t: { after(end: () => Promise<void>): void }) {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  const client = await network.connect('127.0.0.1', listener.port);
  const server = await accepted.promise;
  t.after(async () => {
    server.destroy();
    client.destroy();
    await listener.close();
  });
  return { server, client };
}

function received(connection: Connection, sizeBytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let total = 0;
    connection.onData = (chunk) => {
      chunks.push(Buffer.from(chunk));
      total += chunk.length;
      if (total >= sizeBytes) resolve(Buffer.concat(chunks));
    };
  });
}

function closed(connection: Connection): Promise<Error | undefined> {
  return new Promise((resolve) => {
    connection.onClose = resolve;
  });
}

/** How many descriptors of this process are open on the file, whatever became of its name. */
function descriptorsOf(path: string): number {
  const links = fs.readdirSync('/proc/self/fd').map((name) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return '';
    }
  });
  return links.filter((link) => link === path || link === `${path} (deleted)`).length;
}

let files = 0;
function file(sizeBytes = FILE_BYTES, on = disk): DiskFile {
  files += 1;
  const made = on.open(join(folder, `${files}`), 'create');
  made.write(0, [content.subarray(0, sizeBytes)]);
  return made;
}

/** What should arrive when `parts` are sent. */
function bytesOf(parts: readonly Outgoing[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (part instanceof Uint8Array) return part;
      const bytes = Buffer.alloc(part.sizeBytes);
      assert.equal(part.read(0, bytes), bytes.length);
      return bytes;
    }),
  );
}

test('regions arrive between the buffers that were written around them', async (t) => {
  const { server, client } = await pair(t);
  const from = file();
  const parts = [
    Buffer.from('head'),
    from.region(17, 100_000),
    Buffer.from('between'),
    Buffer.from('and again'),
    from.region(0, 1),
    from.region(3_000_001, 4_000_000),
    Buffer.from('end'),
  ];
  const expected = bytesOf(parts);
  const arrival = received(client, expected.length);
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    server.write(parts, () => order.push('first'));
    server.write([from.region(5, 5)], () => order.push('second'));
    server.write([Buffer.from('!')], () => {
      order.push('third');
      resolve();
    });
  });
  assert.deepEqual(order, ['first', 'second', 'third']);
  assert.deepEqual([server.pendingBytes(), server.pendingRegionBytes()], [0, 0]);
  assert.deepEqual((await arrival).subarray(0, expected.length), expected);
});

test('the system sends regions, where it can', { skip: !canSend }, async (t) => {
  const { server, client } = await pair(t);
  const region = file().region(0, FILE_BYTES);
  const send = t.mock.method(RealRegion.prototype, 'sendTo');
  const read = t.mock.method(RealRegion.prototype, 'read');
  const arrival = received(client, FILE_BYTES);
  server.write([region]);
  assert.deepEqual(await arrival, content);
  const sent = send.mock.calls.reduce((sum, { result }) => sum + Math.max(0, result ?? 0), 0);
  const copied = read.mock.calls.reduce((sum, { result }) => sum + (result ?? 0), 0);
  assert.equal(sent + copied, FILE_BYTES);
  assert.ok(sent > FILE_BYTES / 2, `${sent} bytes by the system`);
  for (const { arguments: given } of send.mock.calls) assert.ok(given[2] <= 1024 * 1024);
});

test('one large region does not keep others waiting until it has left', async (t) => {
  const { server, client } = await pair(t);
  const arrival = received(client, FILE_BYTES);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    if (server.pendingBytes() > 0) setImmediate(count);
  };
  assert.equal(server.write([file().region(0, FILE_BYTES)]), false);
  setImmediate(count);
  assert.deepEqual(await arrival, content);
  assert.ok(turns >= FILE_BYTES / (1024 * 1024) - 2, `${turns} turns`);
});

test('a disk that cannot send regions has them read and written', async (t) => {
  const plain = realDisk({ sendsRegions: false });
  assert.equal(plain.regionBytesMin, Infinity);
  const { server, client } = await pair(t);
  const arrival = received(client, FILE_BYTES + 2);
  await new Promise<void>((resolve) => {
    server.write(
      [Buffer.from('<'), file(FILE_BYTES, plain).region(0, FILE_BYTES), Buffer.from('>')],
      resolve,
    );
  });
  assert.deepEqual(await arrival, Buffer.concat([Buffer.from('<'), content, Buffer.from('>')]));
});

test('a peer that does not read holds a region up; what is behind it waits, and drains', async (t) => {
  const { server, client } = await pair(t);
  const from = file();
  client.pause();
  const parts: Outgoing[] = [];
  // More than both ends of a connection ever keep in the system.
  for (let n = 0; n < 12; n++) {
    const some = [Buffer.from(`part ${n}`), from.region(n, 8_000_000)];
    parts.push(...some);
    server.write(some);
  }
  const tail = Buffer.alloc(100_000, 9);
  parts.push(tail);
  assert.equal(server.write([tail]), false);
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  const pendingBytes = server.pendingBytes();
  assert.ok(pendingBytes > tail.length);
  assert.ok(server.pendingRegionBytes() > 0 && server.pendingRegionBytes() < pendingBytes);
  const drained = new Promise<void>((resolve) => (server.onDrain = resolve));
  const expected = bytesOf(parts);
  const arrival = received(client, expected.length);
  client.resume();
  await drained;
  assert.deepEqual([server.pendingBytes(), server.pendingRegionBytes()], [0, 0]);
  assert.deepEqual(await arrival, expected);
});

test('a peer that reads in fits and starts gets the same bytes', async (t) => {
  const { server, client } = await pair(t);
  const from = file();
  const parts: Outgoing[] = [];
  for (let n = 0; n < 60; n++) {
    const position = randomInt(FILE_BYTES - 600_000);
    parts.push(
      n % 3 === 0
        ? content.subarray(position, position + randomInt(200_000))
        : from.region(position, 1 + randomInt(600_000)),
    );
  }
  const expected = bytesOf(parts);
  const chunks: Buffer[] = [];
  let total = 0;
  const all = new Promise<void>((resolve) => {
    client.onData = (chunk) => {
      chunks.push(Buffer.from(chunk));
      total += chunk.length;
      if (total >= expected.length) return resolve();
      if (chunks.length % 5 !== 0) return;
      client.pause();
      setTimeout(() => client.resume(), chunks.length % 3);
    };
  });
  let written = 0;
  for (let at = 0; at < parts.length; at += 7) server.write(parts.slice(at, at + 7), () => (written += 1));
  await all;
  assert.deepEqual(Buffer.concat(chunks), expected);
  await new Promise(setImmediate);
  assert.equal(written, Math.ceil(parts.length / 7));
});

test('when the connection breaks, every onWritten is called once and before onClose', async (t) => {
  const { server, client } = await pair(t);
  const from = file();
  client.pause();
  const events: string[] = [];
  const end = closed(server).then(() => events.push('closed'));
  for (let n = 0; n < 4; n++) {
    server.write([Buffer.alloc(100), from.region(0, FILE_BYTES), Buffer.alloc(100)], () =>
      events.push(`written ${n}`),
    );
  }
  await new Promise(setImmediate);
  server.destroy();
  await end;
  assert.deepEqual(events.toSorted(), ['closed', 'written 0', 'written 1', 'written 2', 'written 3']);
  assert.equal(events.at(-1), 'closed');
  assert.deepEqual([server.pendingBytes(), server.pendingRegionBytes()], [0, 0]);
});

test('a peer that resets the connection in the middle of a region ends it', async (t) => {
  const { server, client } = await pair(t);
  const from = file();
  let written = 0;
  const end = closed(server);
  let total = 0;
  client.onData = (chunk) => {
    total += chunk.length;
    if (total > 1_000_000) client.destroy();
  };
  for (let n = 0; n < 8; n++) server.write([from.region(0, FILE_BYTES)], () => (written += 1));
  await end;
  assert.equal(written, 8);
});

test('a file that has become shorter breaks the connection; nothing is sent in place of what is missing', async (t) => {
  for (const shortBytes of [0, 1, 70_000, 3_000_000]) {
    const { server, client } = await pair(t);
    const from = file();
    const region = from.region(1_000, 6_000_000);
    from.truncate(1_000 + shortBytes);
    let total = 0;
    client.onData = (chunk) => {
      assert.deepEqual(chunk, content.subarray(1_000 + total, 1_000 + total + chunk.length));
      total += chunk.length;
    };
    const ends = Promise.all([closed(server), closed(client)]);
    const written = new Promise<void>((resolve) => server.write([region, Buffer.from('never')], resolve));
    const [error] = await ends;
    assert.match(error!.message, /ended before/);
    await written;
    assert.ok(total <= shortBytes, `${total} bytes`);
  }
});

test('end sends the regions that are pending, then closes without an error', async (t) => {
  const { server, client } = await pair(t);
  const from = file();
  const ends = Promise.all([closed(server), closed(client)]);
  const arrival = received(client, FILE_BYTES + 4);
  server.write([from.region(0, FILE_BYTES), Buffer.from('last')]);
  server.end();
  assert.equal(server.write([Buffer.from('too late')]), false);
  assert.deepEqual(await arrival, Buffer.concat([content, Buffer.from('last')]));
  assert.deepEqual(await ends, [undefined, undefined]);
});

test(
  'a region is sent though its file was closed and removed, and then lets go of it',
  { skip: !canSend },
  async (t) => {
    const { server, client } = await pair(t);
    const from = file();
    const regions: FileRegion[] = [from.region(0, FILE_BYTES), from.region(10, 10)];
    from.close();
    disk.remove(from.path);
    assert.throws(() => from.region(0, 1), { code: 'EBADF' });
    // A new file gets the number of one that was closed.
    const other = file(100);
    const arrival = received(client, FILE_BYTES + 10);
    await new Promise<void>((resolve) => server.write(regions, resolve));
    assert.deepEqual(await arrival, Buffer.concat([content, content.subarray(10, 20)]));
    assert.equal(descriptorsOf(from.path), 1);
    regions[0]!.release();
    regions[0]!.release();
    assert.throws(() => regions[0]!.read(0, Buffer.alloc(1)), /released/);
    assert.throws(() => (regions[0] as RealRegion).sendTo(1, 0, 1), /released/);
    const probe = Buffer.alloc(1);
    assert.equal(regions[1]!.read(0, probe), 1);
    assert.equal(descriptorsOf(from.path), 1);
    regions[1]!.release();
    assert.equal(descriptorsOf(from.path), 0);
    other.close();
  },
);
