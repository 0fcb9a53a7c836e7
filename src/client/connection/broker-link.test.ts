import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../protocol/messages/10-find-coordinator.ts';
import { ClientCore } from '../core.ts';
import type { KafkaError } from '../errors.ts';
import { settingsOf, type ConnectionOptions } from '../options.ts';
import { BREAK, SILENCE, TestCluster } from '../test-cluster.ts';
import type { BrokerLink, Call } from './broker-link.ts';
import type { Sasl } from './sasl.ts';

const HANDSHAKE = 17;
const VERSIONS = 18;
const AUTHENTICATE = 36;
const FIND = 10;

const CALL: Call<object, FindCoordinatorResponse> = {
  request: FindCoordinatorRequest,
  response: FindCoordinatorResponse,
  body: () => ({ key: 'g', coordinatorKeys: ['g'] }),
} as never;

function start(options: Partial<ConnectionOptions> = {}): {
  cluster: TestCluster;
  link: BrokerLink;
  core: ClientCore;
} {
  const cluster = new TestCluster();
  const core = new ClientCore(
    cluster.clientPorts(),
    settingsOf({ bootstrap: cluster.bootstrap, ...options }),
  );
  core.brokers.learn({ nodeId: 0, host: 'b0', port: 9092, rack: null });
  cluster.handlers.set(FIND, ({ version }) => ({
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    nodeId: version,
    host: 'b0',
    port: 1,
    coordinators: [{ key: 'g', nodeId: version, host: 'b0', port: 1, errorCode: 0, errorMessage: null }],
  }));
  return { cluster, core, link: core.brokers.link(0, 'control') };
}

test('the newest version that both sides know is spoken', async () => {
  const { cluster, link } = start();
  cluster.versionMax.set(FIND, 3);
  assert.equal((await cluster.settle(link.ask(CALL))).nodeId, 3);
  await assert.rejects(cluster.settle(link.ask({ ...CALL, versionMax: -1 })), {
    errorName: 'UNSUPPORTED_API',
  });
});

test('a broker that does not know the newest ApiVersions is asked again in its version (KIP-511)', async () => {
  const { cluster, link } = start();
  const ours = cluster.handlers.get(VERSIONS)!;
  cluster.handlers.set(VERSIONS, (asked) => {
    if (asked.version <= 2) return ours(asked);
    return { errorCode: Errors.UNSUPPORTED_VERSION, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 2 }] };
  });
  // What answers in version 0 is the broker's frame itself: encode it as such.
  cluster.answerVersion = (asked) => (asked.key === VERSIONS && asked.version > 2 ? 0 : asked.version);
  assert.equal((await cluster.settle(link.ask(CALL))).coordinators[0]!.nodeId, 6);
  assert.deepEqual(
    cluster.asked.filter(({ key }) => key === VERSIONS).map(({ version }) => version),
    [5, 2],
  );
});

test('who asks a broker that leaves the cluster may ask again, whatever the link was at', async () => {
  const { cluster, core } = start();
  const { time } = cluster;
  const other = [{ nodeId: 1, host: 'b1', port: 9092, rack: null }];
  const expected = { errorName: 'NETWORK_EXCEPTION', retriable: true };
  cluster.handlers.set(FIND, () => SILENCE);
  const asking = core.brokers.link(0, 'produce-1').ask(CALL);
  asking.catch(() => {});
  await time.advance(10);
  core.brokers.update(other);
  await assert.rejects(cluster.settle(asking), expected);
  // While it waits before another attempt to connect.
  core.brokers.learn({ nodeId: 0, host: 'nowhere', port: 9092, rack: null });
  const link = core.brokers.link(0, 'produce-1');
  await assert.rejects(cluster.settle(link.ask(CALL)));
  const connecting = link.ask(CALL);
  connecting.catch(() => {});
  core.brokers.update(other);
  await assert.rejects(cluster.settle(connecting), expected);
  await assert.rejects(cluster.settle(link.ask(CALL)), expected);
  core.close();
});

test('attempts to connect are spaced by growing pauses', async () => {
  const { cluster, core } = start({ retryBackoffMs: 100, retryBackoffMaxMs: 1000 });
  core.brokers.learn({ nodeId: 7, host: 'b0', port: 1, rack: null });
  const link = core.brokers.link(7, 'control');
  const times: number[] = [];
  for (let n = 0; n < 6; n++) {
    await assert.rejects(cluster.settle(link.ask(CALL)), { errorName: 'NETWORK_EXCEPTION', retriable: true });
    times.push(cluster.time.nowMs());
  }
  const pauses = times.slice(1).map((time, n) => time - times[n]!);
  assert.ok(pauses[0]! > 75 && pauses[0]! < 130, String(pauses));
  assert.ok(pauses[4]! > 750, String(pauses));
});

test('a broker that says nothing is given up after connectTimeoutMs', async () => {
  const { cluster, link } = start({ connectTimeoutMs: 2_000 });
  cluster.handlers.set(VERSIONS, () => SILENCE);
  await assert.rejects(cluster.settle(link.ask(CALL)), { errorName: 'REQUEST_TIMED_OUT' });
  assert.ok(cluster.time.nowMs() >= 2_000 && cluster.time.nowMs() < 2_100);
});

test('a connection that breaks is made again by the next request, and its versions are asked for again', async () => {
  const { cluster, link } = start();
  const answer = cluster.handlers.get(FIND)!;
  await cluster.settle(link.ask(CALL));
  cluster.handlers.set(FIND, () => BREAK);
  await assert.rejects(cluster.settle(link.ask(CALL)), { errorName: 'NETWORK_EXCEPTION' });
  cluster.handlers.set(FIND, answer);
  await cluster.settle(link.ask(CALL));
  assert.equal(cluster.requests(VERSIONS).length, 2);
});

test('lanes to one broker ask for its versions once', async () => {
  const { cluster, core, link } = start();
  await cluster.settle(link.ask(CALL));
  await cluster.settle(core.brokers.link(0, core.newLane('fetch')).ask(CALL));
  assert.equal(cluster.requests(VERSIONS).length, 1);
});

test('a lane that breaks or is closed leaves the others as they were', async () => {
  const { cluster, core, link } = start();
  await cluster.settle(link.ask(CALL));
  const lane = core.newLane('fetch');
  const answer = cluster.handlers.get(FIND)!;
  cluster.handlers.set(FIND, () => BREAK);
  await assert.rejects(cluster.settle(core.brokers.link(0, lane).ask(CALL)));
  cluster.handlers.set(FIND, answer);
  await cluster.settle(link.ask(CALL));
  await cluster.settle(core.brokers.link(0, lane).ask(CALL));
  core.brokers.closeLane(lane);
  await cluster.settle(link.ask(CALL));
});

test('a closed link refuses', async () => {
  const { cluster, core, link } = start();
  await cluster.settle(link.ask(CALL));
  const waiting = link.ask(CALL);
  core.close();
  await assert.rejects(cluster.settle(waiting));
  await assert.rejects(link.ask(CALL), { errorName: 'CLOSED' });
  await cluster.time.advance(100_000);
  assert.equal(cluster.time.pendingEvents(), 0);
});

// --- Authentication

function listens(
  cluster: TestCluster,
  mechanism: string,
  next: (token: Buffer) => { authBytes?: Buffer; errorCode?: number; errorMessage?: string },
  sessionLifetimeMs = 0,
): void {
  cluster.handlers.set(HANDSHAKE, ({ body }) => ({
    errorCode: body.mechanism === mechanism ? 0 : Errors.UNSUPPORTED_SASL_MECHANISM,
    mechanisms: [mechanism],
  }));
  cluster.handlers.set(AUTHENTICATE, ({ body }) => ({
    errorCode: 0,
    errorMessage: null,
    authBytes: Buffer.alloc(0),
    sessionLifetimeMs,
    ...next(Buffer.from(body.authBytes)),
  }));
}

test('PLAIN', async () => {
  const { cluster, link } = start({ sasl: { mechanism: 'PLAIN', username: 'ada', password: 'secret' } });
  const tokens: string[] = [];
  listens(cluster, 'PLAIN', (token) => {
    tokens.push(String(token));
    return {};
  });
  await cluster.settle(link.ask(CALL));
  assert.deepEqual(tokens, ['\0ada\0secret']);
});

test('a refusal is told with its reason and is no reason to try again', async () => {
  const { cluster, link } = start({ sasl: { mechanism: 'PLAIN', username: 'ada', password: 'wrong' } });
  const errorCode = Errors.SASL_AUTHENTICATION_FAILED;
  listens(cluster, 'PLAIN', () => ({ errorCode, errorMessage: 'not you' }));
  await assert.rejects(cluster.settle(link.ask(CALL)), {
    errorName: 'SASL_AUTHENTICATION_FAILED',
    retriable: false,
    message: /not you/,
  });
  listens(cluster, 'GSSAPI', () => ({}));
  await assert.rejects(cluster.settle(link.ask(CALL)), {
    errorName: 'UNSUPPORTED_SASL_MECHANISM',
    message: /GSSAPI/,
  });
});

/** The broker's side of SCRAM, written from RFC 5802. */
function scramServer(
  hash: 'sha256' | 'sha512',
  password: string,
): (token: Buffer) => { authBytes?: Buffer; errorCode?: number } {
  const salt = Buffer.from('0123456789abcdef');
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
  const salted = pbkdf2Sync(password, salt, 4096, hash === 'sha256' ? 32 : 64, hash);
  let first = '';
  let bare = '';
  return (token) => {
    const text = String(token);
    if (text.startsWith('n,,')) {
      bare = text.slice(3);
      first = `r=${/r=([^,]*)/.exec(bare)![1]}theirs,s=${salt.toString('base64')},i=4096`;
      return { authBytes: Buffer.from(first) };
    }
    const [, final, proof] = /^(.*),p=(.*)$/.exec(text)!;
    const signed = `${bare},${first},${final}`;
    const key = Buffer.from(proof!, 'base64');
    const signature = hmac(createHash(hash).update(hmac(salted, 'Client Key')).digest(), signed);
    for (let at = 0; at < key.length; at++) key[at]! ^= signature[at]!;
    if (!key.equals(hmac(salted, 'Client Key'))) return { errorCode: Errors.SASL_AUTHENTICATION_FAILED };
    return { authBytes: Buffer.from(`v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`) };
  };
}

for (const hash of ['sha256', 'sha512'] as const) {
  const mechanism = hash === 'sha256' ? 'SCRAM-SHA-256' : 'SCRAM-SHA-512';
  test(`${mechanism}: both sides show that they know the password`, async () => {
    const { cluster, link } = start({ sasl: { mechanism, username: 'a=d,a', password: 'sécret' } });
    listens(cluster, mechanism, scramServer(hash, 'sécret'));
    await cluster.settle(link.ask(CALL));
  });
  test(`${mechanism}: a wrong password is refused, and so is a broker that does not know it`, async () => {
    const { cluster, link } = start({ sasl: { mechanism, username: 'ada', password: 'secret' } });
    listens(cluster, mechanism, scramServer(hash, 'other'));
    await assert.rejects(cluster.settle(link.ask(CALL)), { errorName: 'SASL_AUTHENTICATION_FAILED' });
    const server = scramServer(hash, 'secret');
    listens(cluster, mechanism, (token) => {
      const { authBytes } = server(token);
      return { authBytes: String(authBytes).startsWith('v=') ? Buffer.from('v=AAAA') : authBytes! };
    });
    await assert.rejects(cluster.settle(link.ask(CALL)), { errorName: 'INVALID_ANSWER' });
    listens(cluster, mechanism, (token) => {
      const { authBytes } = server(token);
      return { authBytes: Buffer.from(String(authBytes).replace('i=4096', 'i=99999999')) };
    });
    await assert.rejects(cluster.settle(link.ask(CALL)), { message: /99999999 iterations/ });
  });
}

test('OAUTHBEARER asks for a token each time, and ends the session before the broker does', async () => {
  let tokens = 0;
  const sasl: Sasl = {
    mechanism: 'OAUTHBEARER',
    token: async () => ({ value: `t${++tokens}`, extensions: { a: 'b' } }),
  };
  const { cluster, link } = start({ sasl });
  const seen: string[] = [];
  listens(
    cluster,
    'OAUTHBEARER',
    (token) => {
      seen.push(String(token));
      return {};
    },
    10_000,
  );
  await cluster.settle(link.ask(CALL));
  await cluster.time.advance(9_000);
  // One that is under way when the session ends is answered before the next connection begins.
  await cluster.settle(Promise.all([link.ask(CALL), link.ask(CALL)]));
  assert.deepEqual(seen, ['n,,\x01auth=Bearer t1\x01a=b\x01\x01', 'n,,\x01auth=Bearer t2\x01a=b\x01\x01']);
});

test('a broker that throttles is left alone on that connection, and then asked in order (KIP-219)', async () => {
  const { cluster, core, link } = start();
  const ours = cluster.handlers.get(FIND)!;
  const times: [key: string, atMs: number][] = [];
  cluster.handlers.set(FIND, async (asked) => {
    times.push([asked.body.coordinatorKeys[0] as string, cluster.time.nowMs()]);
    return { ...(await (ours(asked) as Promise<object>)), throttleTimeMs: times.length === 1 ? 5_000 : 0 };
  });
  const ask = (key: string) =>
    link.ask({ ...CALL, body: () => ({ key, coordinatorKeys: [key] }) } as typeof CALL);
  await cluster.settle(ask('first'));
  const answeredMs = cluster.time.nowMs();
  const rest = [ask('second'), ask('third')];
  await cluster.settle(core.brokers.link(0, 'produce-9').ask(CALL));
  const aside = times[1]!;
  assert.ok(aside[0] === 'g' && aside[1] - answeredMs < 1_000, 'other connections go on');
  await cluster.settle(Promise.all(rest));
  assert.deepEqual(
    times.map(([key]) => key),
    ['first', 'g', 'second', 'third'],
  );
  assert.ok(times[2]![1] - answeredMs >= 5_000);
  const late = ask('never');
  await cluster.settle(late);
  cluster.handlers.set(FIND, async (asked) => ({
    ...(await (ours(asked) as Promise<object>)),
    throttleTimeMs: 60_000,
  }));
  await cluster.settle(ask('muted'));
  const waiting = ask('closed');
  link.close();
  await assert.rejects(cluster.settle(waiting), { errorName: 'CLOSED' });
});

test('who observes requests is told of each, of its answer, and of a failure', async () => {
  const told: unknown[] = [];
  const { cluster, link } = start({
    onRequest: ({ api, apiKey, nodeId, host, port }) => {
      told.push([api, apiKey, nodeId, host, port]);
      return ({ error, durationMs }) => {
        assert.ok(durationMs >= 0);
        told.push(error === undefined ? 'answered' : (error as KafkaError).errorName);
      };
    },
  });
  await cluster.settle(link.ask(CALL));
  cluster.handlers.set(FIND, () => BREAK);
  await assert.rejects(cluster.settle(link.ask(CALL)));
  assert.deepEqual(told, [
    ['FindCoordinator', FIND, 0, 'b0', 9092],
    'answered',
    ['FindCoordinator', FIND, 0, 'b0', 9092],
    'NETWORK_EXCEPTION',
  ]);
});
