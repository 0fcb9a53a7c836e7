import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GrpcConnection, GrpcStatus } from '../base/grpc.ts';
import { frameOf, GrpcFrames } from './grpc-frames.ts';
import { realGrpcTransport } from './grpc.ts';

test('messages come out of frames as they went in, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((one) => frameOf(one)));
        const frames = new GrpcFrames(50);
        const arrived: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = cuts[turn % cuts.length]!;
          assert.equal(
            frames.push(bytes.subarray(at, at + size), (one) => arrived.push(one)),
            undefined,
          );
          at += size;
        }
        assert.deepEqual(
          arrived.map((one) => [...one]),
          messages.map((one) => [...one]),
        );
      },
    ),
  );
});

test('a length beyond the limit and a compressed message are faults before anything is kept for them', () => {
  const push = (hex: string): unknown =>
    new GrpcFrames(10).push(Buffer.from(hex, 'hex'), () => assert.fail());
  assert.equal(push('000000000b'), 'tooLarge');
  assert.equal(push('00ffffffff'), 'tooLarge');
  assert.equal(push('010000000100'), 'compressed');
  assert.equal(push('000000000a'), undefined);
});

interface Served {
  readonly connection: GrpcConnection;
  readonly server: http2.Http2Server;
  readonly sessions: http2.ServerHttp2Session[];
  end(): Promise<void>;
}

async function serve(answer: (stream: http2.ServerHttp2Stream) => void): Promise<Served> {
  const server = http2.createServer();
  const sessions: http2.ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {});
    answer(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = await realGrpcTransport().connect(
    { host: '127.0.0.1', port },
    new AbortController().signal,
  );
  return {
    connection,
    server,
    sessions,
    async end() {
      connection.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Makes a unary call and waits for its end. */
function ask(connection: GrpcConnection, message: string): Promise<{ got: string[]; status: GrpcStatus }> {
  return new Promise((resolve) => {
    const got: string[] = [];
    const call = connection.call(
      { path: '/service/Method', metadata: { token: 'abc' }, messageBytesMax: 100 },
      {
        onMessage: (bytes) => void got.push(bytes.toString()),
        onEnd: (status) => resolve({ got, status }),
      },
    );
    call.send(Buffer.from(message));
    call.finish();
  });
}

const GRPC = { ':status': 200, 'content-type': 'application/grpc' };
const isPromised = { waitForTrailers: true };

test('a call carries messages both ways and ends with the status of the trailers', async () => {
  const seen: unknown[] = [];
  const { connection, end } = await serve((stream) => {
    stream.respond(GRPC, isPromised);
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': '5', 'grpc-message': 'not%20found' }),
    );
    stream.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString('latin1'), stream.sentHeaders[':status']);
      stream.write(frameOf(Buffer.from('one')));
      stream.end(frameOf(Buffer.from('two')));
    });
  });
  const { got, status } = await ask(connection, 'hello');
  assert.deepEqual(got, ['one', 'two']);
  assert.deepEqual(status, { code: 5, message: 'not found' });
  assert.deepEqual(seen, ['\0\0\0\0\x05hello', 200]);
  await end();
});

test('a status without any answer, and one of HTTP', async () => {
  const headers: http2.OutgoingHttpHeaders[] = [
    { ...GRPC, 'grpc-status': '16', 'grpc-message': 'bad%zz' },
    { ':status': 503 },
    { ':status': 418 },
  ];
  const { connection, end } = await serve((stream) => stream.respond(headers.shift(), { endStream: true }));
  assert.deepEqual((await ask(connection, '')).status, { code: 16, message: 'bad%zz' });
  assert.deepEqual((await ask(connection, '')).status, { code: 14, message: 'HTTP status 503' });
  assert.deepEqual((await ask(connection, '')).status, { code: 2, message: 'HTTP status 418' });
  await end();
});

test('an answer beyond the limit ends the call', async () => {
  const { connection, end } = await serve((stream) => {
    stream.respond(GRPC);
    stream.write(frameOf(Buffer.alloc(101)));
  });
  const { got, status } = await ask(connection, '');
  assert.deepEqual(got, []);
  assert.equal(status.isTooLarge, true);
  await end();
});

test('a refused call was not processed, one that breaks off may have been', async () => {
  const codes = [http2.constants.NGHTTP2_REFUSED_STREAM, http2.constants.NGHTTP2_INTERNAL_ERROR];
  const { connection, end } = await serve((stream) => stream.close(codes.shift()));
  const refused = (await ask(connection, '')).status;
  assert.deepEqual([refused.code, refused.isUnprocessed], [14, true]);
  const broken = (await ask(connection, '')).status;
  assert.deepEqual([broken.code, broken.isUnprocessed], [14, false]);
  await end();
});

test('a connection that breaks tells its calls and then that it is closed', async () => {
  const { connection, sessions, end } = await serve(() => sessions[0]!.destroy());
  const closed = new Promise<void>((resolve) => {
    connection.onClose = () => resolve();
  });
  const { status } = await ask(connection, '');
  assert.deepEqual([status.code, status.isUnprocessed], [14, false]);
  await closed;
  const late = (await ask(connection, '')).status;
  assert.deepEqual([late.code, late.isUnprocessed], [14, true]);
  await end();
});

test('a server that goes away lets the calls under way end', async () => {
  let waiting: http2.ServerHttp2Stream | undefined;
  const { connection, sessions, end } = await serve((stream) => {
    waiting = stream;
    sessions[0]!.goaway();
  });
  const closed = new Promise<void>((resolve) => {
    connection.onClose = () => resolve();
  });
  const asked = ask(connection, '');
  await closed;
  waiting!.respond(GRPC, isPromised);
  waiting!.on('wantTrailers', () => waiting!.sendTrailers({ 'grpc-status': '0' }));
  waiting!.end(frameOf(Buffer.from('late')));
  const { got, status } = await asked;
  assert.deepEqual([got, status.code], [['late'], 0]);
  await end();
});

test('pings are answered; cancelled calls say nothing more', async () => {
  const { connection, end } = await serve((stream) => {
    stream.respond(GRPC);
    stream.write(frameOf(Buffer.from('x')));
  });
  const call = connection.call(
    { path: '/a/b', metadata: {}, messageBytesMax: 10 },
    { onMessage: () => assert.fail('cancelled'), onEnd: () => assert.fail('cancelled') },
  );
  call.cancel();
  call.send(Buffer.from('into the void'));
  await new Promise<void>((resolve) => connection.ping(resolve));
  await new Promise<void>((resolve) => connection.ping(resolve));
  await end();
});

test('who is no gRPC server is told so, and a connection that is being made can be given up', async () => {
  const connect = (port: number, signal: AbortSignal) =>
    realGrpcTransport().connect({ host: '127.0.0.1', port }, signal);
  const { createServer } = await import('node:net');
  const server = createServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await assert.rejects(connect(port, new AbortController().signal));
  server.close();
  await once(server, 'close');
  await assert.rejects(connect(port, new AbortController().signal), { code: 'ECONNREFUSED' });
  await assert.rejects(connect(port, AbortSignal.abort()));
});
