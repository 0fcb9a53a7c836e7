import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../base/ports.ts';
import { SimulatedTime } from './simulated-clock.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import type { SimulatedNetworkOptions } from './simulated-network.ts';
import { simulatedPorts } from './simulated-ports.ts';

function world(options: Partial<SimulatedNetworkOptions> & { seed?: number } = {}) {
  const seed = options.seed ?? 1;
  const time = new SimulatedTime({ seed });
  const wires = new SimulatedNetwork({ time, ...options, seed });
  const a = simulatedPorts({ seed, host: 'a', time, network: wires });
  const b = simulatedPorts({ seed, host: 'b', time, network: wires });
  return { time, wires, a, b };
}

/** What one end has seen. */
interface Seen {
  chunks: string[];
  ends: (string | undefined)[];
}

function watch(connection: Connection): Seen {
  const seen: Seen = { chunks: [], ends: [] };
  connection.onData = (chunk) => seen.chunks.push(chunk.toString());
  connection.onClose = (error) => seen.ends.push((error as NodeJS.ErrnoException | undefined)?.code);
  return seen;
}

/** A client on `a`, connected to a server on `b`. */
async function connected(options: Partial<SimulatedNetworkOptions> & { seed?: number } = {}) {
  const parts = world(options);
  const accepted: Connection[] = [];
  const listener = await parts.b.network.listen({ host: 'b', port: 9092 }, (connection) =>
    accepted.push(connection),
  );
  const client = await parts.time.settle(parts.a.network.connect('b', 9092));
  const server = accepted[0]!;
  return { ...parts, listener, client, server, clientSeen: watch(client), serverSeen: watch(server) };
}

test('bytes arrive in order, cut anywhere', async () => {
  const cuts = new Set<string>();
  for (let seed = 0; seed < 10; seed++) {
    const { time, client, serverSeen } = await connected({ seed, chunkBytesMax: 5 });
    let written = 0;
    const parts = ['one ', '', 'two ', 'three'].map((part) => Buffer.from(part));
    client.write(parts, () => (written += 1));
    client.write([Buffer.from(' four')], () => (written += 1));
    await time.advance(100);
    assert.equal(serverSeen.chunks.join(''), 'one two three four');
    assert.equal(written, 2);
    cuts.add(serverSeen.chunks.join('|'));
  }
  assert.ok(cuts.size > 5);
});

test('buffers may be changed once onWritten was called', async () => {
  const { time, client, serverSeen } = await connected({ windowBytes: 4, chunkBytesMax: 3 });
  const buffer = Buffer.from('abcdefghij');
  client.write([buffer], () => buffer.fill('X'));
  await time.advance(1000);
  assert.equal(buffer.toString(), 'XXXXXXXXXX');
  assert.equal(serverSeen.chunks.join(''), 'abcdefghij');
});

test('a peer that pauses fills the window and write answers false; onDrain comes once it reads', async () => {
  const { time, client, server, serverSeen } = await connected({ windowBytes: 10_000 });
  server.pause();
  let drains = 0;
  client.onDrain = () => (drains += 1);
  assert.equal(client.write([Buffer.alloc(200_000, 'a')]), false);
  await time.advance(1000);
  assert.deepEqual([serverSeen.chunks.length, drains, client.pendingBytes()], [0, 0, 190_000]);
  server.resume();
  await time.advance(1000);
  assert.deepEqual([serverSeen.chunks.join('').length, drains, client.pendingBytes()], [200_000, 1, 0]);
});

test('end sends what is pending, and both sides close without an error', async () => {
  const { time, client, clientSeen, serverSeen } = await connected({ windowBytes: 1000 });
  client.write([Buffer.alloc(5000, 'a')]);
  client.end();
  assert.equal(client.write([Buffer.from('late')]), false);
  await time.advance(1000);
  assert.equal(serverSeen.chunks.join('').length, 5000);
  assert.deepEqual([clientSeen.ends, serverSeen.ends], [[undefined], [undefined]]);
});

test('destroy drops what is pending, frees its buffers, and closes both sides once', async () => {
  const { time, client, server, clientSeen, serverSeen } = await connected({ windowBytes: 1000 });
  let written = 0;
  client.write([Buffer.alloc(5000, 'a')], () => (written += 1));
  client.destroy();
  client.destroy();
  await time.advance(1000);
  server.end();
  assert.equal(serverSeen.chunks.join('').length, 1000);
  assert.deepEqual([written, clientSeen.ends, serverSeen.ends], [1, [undefined], [undefined]]);
});

test('a reset breaks both sides', async () => {
  const { time, wires, clientSeen, serverSeen } = await connected();
  wires.reset('b', 'a');
  await time.advance(10);
  assert.deepEqual([clientSeen.ends, serverSeen.ends], [['ECONNRESET'], ['ECONNRESET']]);
});

test('a one-way partition holds one direction back until it heals', async () => {
  const { time, wires, client, server, clientSeen, serverSeen } = await connected();
  wires.block('a', 'b');
  client.write([Buffer.from('to b')]);
  server.write([Buffer.from('to a')]);
  await time.advance(60_000);
  assert.deepEqual([clientSeen.chunks.join(''), serverSeen.chunks.join('')], ['to a', '']);
  wires.heal();
  await time.advance(10);
  assert.equal(serverSeen.chunks.join(''), 'to b');
});

test('connecting is refused, times out or does not find the host, as it should', async () => {
  const { time, wires, a, b } = world();
  await assert.rejects(time.settle(a.network.connect('b', 1)), { code: 'ECONNREFUSED' });
  await assert.rejects(time.settle(a.network.connect('c', 1)), { code: 'ENOTFOUND' });
  wires.block('b', 'a');
  const startMs = time.nowMs();
  await assert.rejects(time.settle(a.network.connect('b', 1)), { code: 'ETIMEDOUT' });
  assert.ok(time.nowMs() - startMs >= 120_000);
  wires.heal();
  await b.network.listen({ host: 'b', port: 1 }, () => {});
  await assert.rejects(
    b.network.listen({ host: 'b', port: 1 }, () => {}),
    { code: 'EADDRINUSE' },
  );
  const connection = await time.settle(a.network.connect('b', 1));
  assert.deepEqual([connection.remoteHost, connection.remotePort], ['b', 1]);
});

test('a killed process resets or closes its connections; the next one can listen again', async () => {
  const { time, a, b, clientSeen } = await connected();
  b.kill();
  await time.advance(10);
  assert.deepEqual(clientSeen.ends, [undefined]);
  const again = b.restart('keep');
  await again.network.listen({ host: 'b', port: 9092 }, () => {});
  assert.ok(await time.settle(a.network.connect('b', 9092)));
});

test('after a power cut the peer learns nothing until it sends to the machine that is back', async () => {
  const { time, b, client, clientSeen } = await connected();
  b.kill({ powerCut: true });
  client.write([Buffer.from('lost')]);
  await time.advance(60_000);
  assert.deepEqual(clientSeen.ends, []);
  b.restart('lose');
  client.write([Buffer.from('again')]);
  await time.advance(10);
  assert.deepEqual(clientSeen.ends, ['ECONNRESET']);
});

test('a closed listener refuses and leaves its connections', async () => {
  const { time, a, listener, client, serverSeen } = await connected();
  await listener.close();
  await assert.rejects(time.settle(a.network.connect('b', 9092)), { code: 'ECONNREFUSED' });
  client.write([Buffer.from('still here')]);
  await time.advance(10);
  assert.equal(serverSeen.chunks.join(''), 'still here');
});

/** A world with something of everything: connections, faults, disk, chance. */
async function busyRun(seed: number): Promise<string> {
  const { time, wires, a, b } = world({ seed, chunkBytesMax: 50 });
  const file = b.disk.open('/log', 'create');
  let size = 0;
  await b.network.listen({ host: 'b', port: 1 }, (connection) => {
    connection.onData = (chunk) => {
      file.write(size, [chunk]);
      size += chunk.length;
      void file.sync().then(() => connection.write([Buffer.from(`${size};`)]));
    };
  });
  const client = await time.settle(a.network.connect('b', 1));
  client.onData = (chunk) => time.trace(chunk.toString());
  for (let round = 0; round < 20; round++) {
    a.timers.after(a.random.integer(50), () => client.write([a.random.bytes(a.random.integer(200))]));
    if (round === 10) wires.block('a', 'b');
    if (round === 15) wires.heal();
    await time.advance(10);
  }
  await time.runUntilIdle();
  return time.traceHash();
}

test('the same seed twice gives the same trace, another seed another', async () => {
  const first = await busyRun(42);
  assert.equal(await busyRun(42), first);
  assert.notEqual(await busyRun(43), first);
});
