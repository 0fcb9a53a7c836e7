import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as tls from 'node:tls';
import {
  AUTHORITY,
  CLIENT,
  ELSEWHERE,
  EXPIRED,
  ONLY_SERVER,
  SERVER,
  SERVER_KEY_ENCRYPTED,
  SERVER_KEY_PASSWORD,
  SERVER_RENEWED,
  STRANGER,
} from '../base/test-certificates.ts';
import { TlsError, type ClientTls, type Connection, type Listener, type ServerTls } from '../base/ports.ts';
import { realDisk } from './disk.ts';
import { silentLogger } from './logger.ts';
import { realNetwork } from './network.ts';
import { HANDSHAKES_PER_HOST_MAX } from './tls.ts';

const network = realNetwork({ logger: silentLogger() });
const VERSIONS = { versionMin: 'TLSv1.2', versionMax: 'TLSv1.3' } as const;
const SERVER_TLS: ServerTls = { ...SERVER, ...VERSIONS, authorities: AUTHORITY, clientAuth: 'none' };
const CLIENT_TLS: ClientTls = { ...VERSIONS, authorities: AUTHORITY, checksHost: true };

/** A listener that ends with the test, and what came through it. */
async function serve(
  context: TestContext,
  options: Partial<ServerTls> = {},
): Promise<{ listener: Listener; next: () => Promise<Connection> }> {
  const accepted: Connection[] = [];
  let wake = (): void => {};
  const listener = await network.listen(
    { host: '127.0.0.1', port: 0, tls: { ...SERVER_TLS, ...options } },
    (connection) => {
      accepted.push(connection);
      wake();
    },
  );
  context.after(() => listener.close());
  const next = async (): Promise<Connection> => {
    if (accepted.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    const connection = accepted.shift()!;
    context.after(() => connection.destroy());
    return connection;
  };
  return { listener, next };
}

async function connect(context: TestContext, port: number, options: Partial<ClientTls> = {}) {
  const connection = await network.connect('127.0.0.1', port, { ...CLIENT_TLS, ...options });
  context.after(() => connection.destroy());
  return connection;
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

const closed = (connection: Connection): Promise<Error | undefined> =>
  new Promise((resolve) => (connection.onClose = resolve));

test('bytes go both ways, large ones too, and both sides know the addresses', async (context) => {
  const { listener, next } = await serve(context);
  const client = await connect(context, listener.port);
  const server = await next();
  const large = Buffer.alloc(3_000_000, 'headrace');
  const arrival = received(server, large.length + 5);
  const written = new Promise<void>((resolve) => client.write([Buffer.from('hello'), large], resolve));
  const all = await arrival;
  await written;
  assert.equal(all.subarray(0, 5).toString(), 'hello');
  assert.ok(all.subarray(5).equals(large));
  const answer = received(client, 2);
  server.write([Buffer.from('ok')]);
  assert.equal((await answer).toString(), 'ok');
  assert.equal(server.remoteHost, '127.0.0.1');
  assert.equal(server.remotePort, client.localPort);
  assert.equal(server.peerCertificate, undefined);
  const end = closed(client);
  server.end();
  assert.equal(await end, undefined);
});

test('regions of files go through the encryption like all else', async (context) => {
  const { listener, next } = await serve(context);
  const client = await connect(context, listener.port);
  const server = await next();
  assert.equal(server.sendsRegions, false);
  const folder = fs.mkdtempSync(join(tmpdir(), 'headrace-tls-'));
  context.after(() => fs.rmSync(folder, { recursive: true }));
  const file = realDisk().open(join(folder, 'file'), 'create');
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
  file.write(0, [content]);
  const region = file.region(0, content.length);
  const arrival = received(client, content.length + 4);
  await new Promise<void>((resolve) => {
    server.write([Buffer.from('<'), region, Buffer.from('end')], resolve);
  });
  region.release();
  assert.ok((await arrival).equals(Buffer.concat([Buffer.from('<'), content, Buffer.from('end')])));
  file.close();
});

test('a certificate that a client may show is known when it did, and refused when it is not believed', async (context) => {
  const { listener, next } = await serve(context, { clientAuth: 'requested' });
  await connect(context, listener.port);
  assert.equal((await next()).peerCertificate, undefined);
  await connect(context, listener.port, CLIENT);
  const der = Buffer.from(CLIENT.certificate.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  assert.ok((await next()).peerCertificate!.equals(der));
  for (const refused of [STRANGER, EXPIRED, ONLY_SERVER]) {
    const client = await connect(context, listener.port, refused);
    await closed(client);
  }
  await connect(context, listener.port);
  assert.equal((await next()).peerCertificate, undefined, 'only who was let in was handed over');
});

test('who must show a certificate and does not, or one that is not believed, does not get in', async (context) => {
  const { listener, next } = await serve(context, { clientAuth: 'required' });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const shown of [{}, STRANGER, EXPIRED, ONLY_SERVER]) {
      const options = { ...shown, versionMin: version, versionMax: version };
      // In TLS 1.3 a client is done before the server has judged its certificate.
      const attempt = connect(context, listener.port, options);
      await attempt.then(closed, (error: Error) => assert.ok(error instanceof Error));
    }
    await connect(context, listener.port, { ...CLIENT, versionMin: version, versionMax: version });
    assert.ok((await next()).peerCertificate !== undefined);
  }
});

test('a client refuses a server that is not believed, or is another host', async (context) => {
  const { listener } = await serve(context);
  const refused = (options: Partial<ClientTls>, message: RegExp) =>
    assert.rejects(connect(context, listener.port, options), (error: Error) => {
      assert.ok(error instanceof TlsError);
      assert.match(error.message, message);
      return true;
    });
  await refused({ authorities: STRANGER.certificate }, /self-signed|unable to/);
  await refused({ authorities: undefined }, /self-signed|unable to/);
  listener.renewTls!({ ...SERVER_TLS, ...ELSEWHERE });
  await refused({}, /does not match|not in the cert's list/);
  await connect(context, listener.port, { checksHost: false });
  await connect(context, listener.port, {
    authorities: STRANGER.certificate,
    checksAuthority: false,
    checksHost: false,
  });
  await connect(context, listener.port, { serverName: 'elsewhere.test' });
  await refused({ serverName: 'nowhere' }, /does not match|not in the cert's list/);
});

test('nobody listening is the system’s error, not one of TLS', async (context) => {
  const { listener } = await serve(context);
  await listener.close();
  await assert.rejects(connect(context, listener.port), { code: 'ECONNREFUSED' });
});

test('versions: what both know, and nothing older', async (context) => {
  const { listener, next } = await serve(context, { versionMin: 'TLSv1.3' });
  await assert.rejects(connect(context, listener.port, { versionMax: 'TLSv1.2' }), TlsError);
  await connect(context, listener.port);
  await next();
});

test('a key may be encrypted; keys and certificates that cannot be used are told', async (context) => {
  const encrypted = { key: SERVER_KEY_ENCRYPTED, keyPassword: SERVER_KEY_PASSWORD };
  const { listener, next } = await serve(context, encrypted);
  await connect(context, listener.port);
  await next();
  for (const wrong of [
    { ...encrypted, keyPassword: 'guess' },
    { key: CLIENT.key },
    { certificate: 'none' },
    { authorities: 'none' },
    { authorities: `${AUTHORITY}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
  ]) {
    await assert.rejects(serve(context, wrong), TlsError, JSON.stringify(wrong).slice(0, 60));
    assert.throws(() => listener.renewTls!({ ...SERVER_TLS, ...wrong }), TlsError);
  }
  await connect(context, listener.port);
  await next();
});

test('what is renewed holds for connections to come, for certificates and for who must show one', async (context) => {
  const { listener, next } = await serve(context);
  const before = await connect(context, listener.port);
  const old = await next();
  listener.renewTls!({ ...SERVER_TLS, ...SERVER_RENEWED, clientAuth: 'required' });
  const client = await connect(context, listener.port, CLIENT);
  assert.ok((await next()).peerCertificate !== undefined);
  assert.ok(!client.peerCertificate!.equals(before.peerCertificate!));
  listener.renewTls!({ ...SERVER_TLS, authorities: STRANGER.certificate, clientAuth: 'required' });
  const late = connect(context, listener.port, CLIENT);
  await late.then(closed, () => {});
  const arrival = received(old, 1);
  before.write([Buffer.from('x')]);
  await arrival;
});

test('a client whose authority is not believed any more does not come in by an old session', async (context) => {
  const { listener, next } = await serve(context, { clientAuth: 'required' });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    let session: Buffer | undefined;
    const first = tls.connect({
      ...CLIENT,
      host: '127.0.0.1',
      port: listener.port,
      ca: AUTHORITY,
      cert: CLIENT.certificate,
      maxVersion: version,
    });
    context.after(() => first.destroy());
    first.on('session', (one) => (session = one));
    const server = await next();
    const arrival = new Promise((resolve) => first.once('data', resolve));
    server.write([Buffer.from('x')]);
    await arrival;
    const again = tls.connect({
      host: '127.0.0.1',
      port: listener.port,
      ca: AUTHORITY,
      key: CLIENT.key,
      cert: CLIENT.certificate,
      maxVersion: version,
      ...(session === undefined ? undefined : { session }),
    });
    context.after(() => again.destroy());
    await next();
    assert.equal(again.isSessionReused(), false);
  }
});

test('who begins no handshake is limited in number and gives its place back when it leaves', async (context) => {
  const { listener, next } = await serve(context);
  const idle = await Promise.all(
    Array.from({ length: HANDSHAKES_PER_HOST_MAX }, async () => {
      const socket = net.connect(listener.port, '127.0.0.1');
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
      return socket;
    }),
  );
  await assert.rejects(connect(context, listener.port));
  const gone = Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  for (const socket of idle) socket.destroy();
  await gone;
  // The listener hears of it a little later.
  for (;;) {
    const attempt = await connect(context, listener.port).catch(() => undefined);
    if (attempt !== undefined) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await next();
});

test('what is no TLS at all is closed, and the next one is served', async (context) => {
  const { listener, next } = await serve(context);
  const plain = net.connect(listener.port, '127.0.0.1');
  plain.on('error', () => {});
  const end = new Promise((resolve) => plain.once('close', resolve));
  plain.write(Buffer.alloc(100, 0x41));
  await end;
  await connect(context, listener.port);
  await next();
});
