// How a KafkaJS client reaches brokers: TLS, SASL, and what it is told of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestCluster } from '../client/test-cluster.ts';
import { tlsOf } from './connection.ts';
import {
  Kafka,
  KafkaJSNonRetriableError,
  KafkaJSNotImplemented,
  KafkaJSSASLAuthenticationError,
  logLevel,
  type KafkaConfig,
} from './kafkajs.ts';

const HANDSHAKE = 17;
const AUTHENTICATE = 36;

/** A broker that notes tokens and answers them, or refuses one that says `wrong`. */
function secured(): { cluster: TestCluster; mechanisms: string[]; tokens: string[] } {
  const cluster = new TestCluster();
  const [mechanisms, tokens]: [string[], string[]] = [[], []];
  cluster.handlers.set(HANDSHAKE, ({ body }) => {
    mechanisms.push(body.mechanism);
    return { errorCode: 0, mechanisms: [] };
  });
  cluster.handlers.set(AUTHENTICATE, ({ body }) => {
    const token = String(body.authBytes);
    tokens.push(token);
    const isWrong = /wrong/.test(token);
    const answer = /^(b0|end)/.test(token) ? `to ${token}` : '';
    return {
      errorCode: isWrong ? 58 : 0,
      errorMessage: isWrong ? 'no' : null,
      authBytes: Buffer.from(answer),
      sessionLifetimeMs: 0,
    };
  });
  return { cluster, mechanisms, tokens };
}

async function connect(cluster: TestCluster, config: Partial<KafkaConfig>): Promise<void> {
  const kafka = new Kafka(
    { brokers: [cluster.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 1 }, ...config },
    cluster.clientPorts(),
  );
  const admin = kafka.admin();
  await cluster.settle(admin.connect());
  await cluster.settle(admin.disconnect());
}

test('who one is, by user and password, by token, by AWS, or in a way of the application', async () => {
  const { cluster, mechanisms, tokens } = secured();
  await connect(cluster, { sasl: { mechanism: 'plain', username: 'ada', password: 'secret' } });
  const oauthBearerProvider = async (): Promise<{ value: string; extensions: Record<string, string> }> =>
    Promise.resolve({ value: 'token', extensions: { org: 'x' } });
  await connect(cluster, { sasl: { mechanism: 'oauthbearer', oauthBearerProvider } });
  const aws = { authorizationIdentity: 'who', accessKeyId: 'key', secretAccessKey: 'secret' };
  await connect(cluster, { sasl: { mechanism: 'aws', ...aws } });
  const framed = (text: string): Buffer => {
    const bytes = Buffer.alloc(4 + text.length);
    bytes.writeInt32BE(text.length);
    bytes.write(text, 4);
    return bytes;
  };
  const answers: unknown[] = [];
  await connect(cluster, {
    sasl: {
      mechanism: 'simon',
      authenticationProvider: ({ host, port, saslAuthenticate }) => ({
        async authenticate() {
          const response = {
            decode: (raw: Buffer) => raw.subarray(4, 4 + raw.readInt32BE(0)),
            parse: (data: Buffer) => data.toString(),
          };
          answers.push(
            await saslAuthenticate({ request: { encode: () => framed(`${host}:${port}`) }, response }),
          );
          answers.push(await saslAuthenticate({ request: { encode: () => framed('end') } }));
        },
      }),
    },
  });
  assert.deepEqual([...new Set(mechanisms)], ['PLAIN', 'OAUTHBEARER', 'AWS', 'SIMON']);
  assert.ok(tokens.includes('\0ada\0secret'));
  assert.ok(tokens.includes('n,,\x01auth=Bearer token\x01org=x\x01\x01'));
  assert.ok(tokens.includes('who\0key\0secret\0'));
  assert.deepEqual(answers.slice(0, 2), ['to b0:9092', undefined]);
});

test('who is refused is told at once, and so is a mechanism that is none', async () => {
  const { cluster, tokens } = secured();
  const refuses = (sasl: unknown, kind: typeof KafkaJSNonRetriableError): Promise<void> =>
    assert.rejects(connect(cluster, { sasl: sasl as never }), (error: Error) => {
      assert.ok(error instanceof kind, `${error.name}: ${error.message}`);
      return true;
    });
  await refuses({ mechanism: 'plain', username: 'ada', password: 'wrong' }, KafkaJSSASLAuthenticationError);
  assert.equal(tokens.length, 1);
  await refuses({ mechanism: 'plain' }, KafkaJSSASLAuthenticationError);
  await refuses({ mechanism: 'oauthbearer' }, KafkaJSSASLAuthenticationError);
  await refuses({ mechanism: 'magic' }, KafkaJSNonRetriableError);
  const authenticationProvider = () => ({ authenticate: () => Promise.reject(new Error('no key')) });
  await refuses({ mechanism: 'own', authenticationProvider }, KafkaJSSASLAuthenticationError);
  assert.throws(() => new Kafka({ brokers: ['b0:9092'], socketFactory: () => ({}) }), KafkaJSNotImplemented);
});

test("Node's options for TLS are told in ours, and those that would be passed over are refused", () => {
  assert.deepEqual([tlsOf(undefined), tlsOf(true), tlsOf(false)], [false, true, false]);
  assert.deepEqual(tlsOf({}), { checksHost: true, checksAuthority: true });
  assert.deepEqual(
    tlsOf({
      ca: ['one', Buffer.from('two')],
      cert: 'cert',
      key: 'key',
      passphrase: 'p',
      servername: 'broker',
    }),
    {
      authorities: 'one\ntwo',
      certificate: 'cert',
      key: 'key',
      keyPassword: 'p',
      serverName: 'broker',
      checksHost: true,
      checksAuthority: true,
    },
  );
  assert.deepEqual(tlsOf({ rejectUnauthorized: false }), { checksHost: false, checksAuthority: false });
  assert.deepEqual(tlsOf({ checkServerIdentity: () => undefined }), {
    checksHost: false,
    checksAuthority: true,
  });
  assert.throws(() => tlsOf({ ciphers: 'x' } as never), /ssl\.ciphers is not supported/);
  assert.throws(() => tlsOf({ ca: 7 as never }), /ssl\.ca must be PEM/);
});
