import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { test } from 'node:test';
import type { Connection } from '../base/ports.ts';
import { silentLogger } from './logger.ts';
import { realNetwork } from './network.ts';

const network = realNetwork({ logger: silentLogger() });

/** A listener and one connection through it, both ends. */
async function pair(): Promise<{ server: Connection; client: Connection; close: () => Promise<void> }> {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  const client = await network.connect('127.0.0.1', listener.port);
  const server = await accepted.promise;
  return {
    server,
    client,
    async close() {
      server.destroy();
      client.destroy();
      await listener.close();
    },
  };
}

/** Resolves with everything that arrived once it is `sizeBytes` long. */
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

test('several buffers arrive in order, and onWritten tells when they have left', async () => {
  const { server, client, close } = await pair();
  const arrival = received(server, 11);
  const written = new Promise<void>((resolve) => {
    assert.equal(client.write([Buffer.from('hello'), Buffer.from(' '), Buffer.from('world')], resolve), true);
  });
  await written;
  assert.equal(client.pendingBytes(), 0);
  assert.equal((await arrival).toString(), 'hello world');
  assert.equal(server.remoteHost, '127.0.0.1');
  assert.equal(server.remotePort, client.localPort);
  assert.equal(client.remotePort, server.localPort);
  await close();
});

test('several buffers leave by one call', async (context) => {
  const { server, client, close } = await pair();
  const single = context.mock.method(net.Socket.prototype, '_write');
  const vector = context.mock.method(net.Socket.prototype as Required<net.Socket>, '_writev');
  const arrival = received(server, 3);
  client.write([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]);
  assert.equal((await arrival).toString(), 'abc');
  assert.deepEqual([single.mock.callCount(), vector.mock.callCount()], [0, 1]);
  await close();
});

test('a peer that does not read makes write answer false, and reading makes it drain', async () => {
  const { server, client, close } = await pair();
  server.pause();
  let drained = (): void => assert.fail('nothing was asked to drain');
  client.onDrain = () => drained();
  const part = Buffer.alloc(256 * 1024, 7);
  let sent = 0;
  let open = true;
  while (open) {
    open = client.write([part, part]);
    sent += 2 * part.length;
    assert.ok(sent < 1e9);
  }
  assert.ok(client.pendingBytes() > 0);
  const drain = new Promise<void>((resolve) => {
    drained = resolve;
  });
  const arrival = received(server, sent);
  server.resume();
  await drain;
  assert.equal(client.pendingBytes(), 0);
  assert.equal((await arrival).length, sent);
  await close();
});

test('a peer that sends without end is read a part at a time, and others have their turn between', async (t) => {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  t.after(() => listener.close());
  // Another process: this one would only ever send what it has just read.
  const program = `
    const socket = require('node:net').connect(${listener.port}, '127.0.0.1');
    const part = Buffer.alloc(16 * 1024 * 1024);
    for (let n = 0; n < 16; n++) socket.write(part);
    socket.end();`;
  const child = spawn(process.execPath, ['-e', program], { stdio: 'inherit' });
  const server = await accepted.promise;
  let turnBytes = 0;
  let turnBytesMax = 0;
  let total = 0;
  server.onData = (chunk) => {
    if (turnBytes === 0) setImmediate(() => (turnBytes = 0));
    turnBytes += chunk.length;
    turnBytesMax = Math.max(turnBytesMax, turnBytes);
    total += chunk.length;
    // A broker has something to do with it meanwhile.
    for (let n = 0; n < 3; n++) chunk.fill(n);
  };
  await Promise.all([once(child, 'exit'), closed(server)]);
  assert.equal(total, 16 * 16 * 1024 * 1024);
  assert.ok(turnBytesMax <= 256 * 1024, `${turnBytesMax} bytes in one turn`);
});

test('every onWritten is called once when the connection breaks first, before onClose', async () => {
  const { server, client, close } = await pair();
  server.pause();
  const events: string[] = [];
  const part = Buffer.alloc(4 * 1024 * 1024);
  for (let index = 0; index < 5; index++) client.write([part, part], () => events.push(`written ${index}`));
  const end = closed(client).then(() => events.push('closed'));
  client.destroy();
  await end;
  assert.deepEqual(events.sort(), [
    'closed',
    'written 0',
    'written 1',
    'written 2',
    'written 3',
    'written 4',
  ]);
  const late = new Promise<void>((resolve) => {
    assert.equal(client.write([part], resolve), false);
  });
  await late;
  await close();
});

test('end sends what is pending and closes both sides without an error', async () => {
  const { server, client, close } = await pair();
  const size = 5_000_000;
  const arrival = received(server, size);
  const ends = Promise.all([closed(server), closed(client)]);
  client.write([Buffer.alloc(size, 3)]);
  client.end();
  assert.equal((await arrival).length, size);
  assert.deepEqual(await ends, [undefined, undefined]);
  await close();
});

test('end lets the peer read what was sent, though it goes on sending meanwhile', async (t) => {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  t.after(() => listener.close());
  const socket = net.connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.pause();
  const server = await accepted.promise;
  const arrived = new Promise<void>((resolve) => (server.onData = () => resolve()));
  socket.write('request');
  await arrived;
  server.onData = () => assert.fail('nothing arrives any more');
  server.pause();
  socket.write('next request');
  server.write([Buffer.from('answer')]);
  server.end();
  const end = closed(server);
  // As a client does that is busy: it writes before it reads, more than once.
  for (let part = 0; part < 5; part++) {
    await new Promise(setImmediate);
    await new Promise((resolve) => socket.write('one more', resolve));
  }
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  socket.resume();
  await once(socket, 'end');
  assert.equal(text, 'answer');
  socket.end();
  assert.equal(await end, undefined);
});

test('a peer that does not end the connection with us is not waited for', async (t) => {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  t.after(() => listener.close());
  const socket = net.connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  const server = await accepted.promise;
  const end = closed(server);
  server.end();
  assert.equal(await end, undefined);
});

test('a reset shows as an error at the other side', async () => {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  const socket = net.connect(listener.port, '127.0.0.1');
  const server = await accepted.promise;
  const end = closed(server);
  socket.resetAndDestroy();
  assert.equal(((await end) as NodeJS.ErrnoException).code, 'ECONNRESET');
  await listener.close();
});

test('a listener that is closed leaves its connections open and its port free', async () => {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, accepted.resolve);
  const client = await network.connect('127.0.0.1', listener.port);
  const server = await accepted.promise;
  await listener.close();
  const again = await network.listen({ host: '127.0.0.1', port: listener.port }, () => {});
  assert.equal(again.port, listener.port);
  await again.close();
  const arrival = received(client, 2);
  server.write([Buffer.from('ok')]);
  assert.equal((await arrival).toString(), 'ok');
  await assert.rejects(network.connect('127.0.0.1', listener.port), { code: 'ECONNREFUSED' });
  client.destroy();
  server.destroy();
});

test('a port that is taken is refused with EADDRINUSE', async () => {
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, () => {});
  await assert.rejects(
    network.listen({ host: '127.0.0.1', port: listener.port }, () => {}),
    { code: 'EADDRINUSE' },
  );
  await listener.close();
});

if (process.platform !== 'win32') {
  test('a server out of file descriptors goes on, and accepts again once there are some', async () => {
    const program = `
      import { realNetwork } from ${JSON.stringify(new URL('./network.ts', import.meta.url).href)};
      const logger = { warn: (fields, message) => console.log(message) };
      const listener = await realNetwork({ logger }).listen({ host: '127.0.0.1', port: 0 }, (connection) => {
        connection.onData = (chunk) => connection.write([Buffer.from(chunk)]);
      });
      console.log(listener.port);`;
    const limited = [
      '-c',
      'ulimit -n 60; exec "$@"',
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      program,
    ];
    const child = spawn('sh', limited, { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = Number(((await once(child.stdout, 'data')) as [Buffer])[0].toString());
    const sockets = Array.from({ length: 100 }, () =>
      net
        .connect(port, '127.0.0.1')
        .resume()
        .on('error', () => {}),
    );
    const ends = sockets.map(
      (socket) => new Promise<void>((resolve) => void socket.on('close', () => resolve())),
    );
    // Some of them are refused for want of a descriptor.
    await Promise.race(ends);
    for (const socket of sockets) socket.destroy();
    await Promise.all(ends);
    // The server hears of the ends a little later, and refuses until then.
    let answer: Buffer | undefined;
    while (answer === undefined) {
      const client = await network.connect('127.0.0.1', port);
      const arrival = received(client, 5);
      client.write([Buffer.from('alive')]);
      answer = await Promise.race([arrival, closed(client).then(() => undefined)]);
      client.destroy();
    }
    assert.equal(answer.toString(), 'alive');
    child.kill();
    await once(child, 'exit');
  });
}
