import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { encodeRequest } from '../protocol/frame.ts';
import { apiOf } from '../protocol/apis.ts';
import { MetadataRequest, MetadataResponse } from '../protocol/messages/03-metadata.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../protocol/messages/17-sasl-handshake.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import { DescribeConfigsRequest, DescribeConfigsResponse } from '../protocol/messages/32-describe-configs.ts';
import {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../protocol/messages/36-sasl-authenticate.ts';
import {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../protocol/messages/50-describe-user-scram-credentials.ts';
import {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
} from '../protocol/messages/51-alter-user-scram-credentials.ts';
import type { AuthorizedPrincipal } from '../security/authorizer.ts';
import { PLAIN_MODULE } from '../security/sasl/login-settings.ts';
import { SCRAM_MECHANISMS, type ScramMechanism } from '../security/sasl/scram.ts';
import { saltedPassword, scramClient } from '../security/sasl/test-scram-client.ts';
import {
  AUTHENTICATION_MS_MAX,
  UNAUTHENTICATED_FRAME_BYTES_MAX,
  UNAUTHENTICATED_PER_HOST_MAX,
} from './authentication-limits.ts';
import { BROKER_PORT, testCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';
import type { TestClient } from './test-client.ts';

const FAILED = Errors.SASL_AUTHENTICATION_FAILED;
const CANARY = 'canary-password';
const LOGIN = `${PLAIN_MODULE} required user_alice="${CANARY}" user_bob="${CANARY}-2";`;
const CONFIGS = {
  'listener.security.protocol.map': 'LOGIN:SASL_PLAINTEXT,OPEN:PLAINTEXT',
  'inter.broker.listener.name': 'LOGIN',
  'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
  'listener.name.login.plain.sasl.jaas.config': LOGIN,
};
const LISTENERS = {
  listeners: (host: string) => `LOGIN://${host}:${BROKER_PORT},OPEN://${host}:${BROKER_PORT + 1}`,
};
const METADATA = {
  topics: [],
  allowAutoTopicCreation: false,
  includeTopicAuthorizedOperations: false,
  includeClusterAuthorizedOperations: false,
};

async function world(options: TestClusterOptions = {}, count = 1): Promise<TestCluster> {
  return testCluster(count, { ...LISTENERS, ...options, configs: { ...CONFIGS, ...options.configs } });
}

const handshake = (client: TestClient, mechanism: string, version = 1) =>
  client.request(SaslHandshakeRequest, SaslHandshakeResponse, version, { mechanism });
const step = (client: TestClient, text: string, version = 2) =>
  client.request(SaslAuthenticateRequest, SaslAuthenticateResponse, version, {
    authBytes: Buffer.from(text),
  });
const metadata = (client: TestClient) => client.request(MetadataRequest, MetadataResponse, 12, METADATA);

async function loginPlain(client: TestClient, user = 'alice', password = CANARY) {
  assert.equal((await handshake(client, 'PLAIN')).errorCode, Errors.NONE);
  return step(client, `\0${user}\0${password}`);
}

async function loginScram(
  client: TestClient,
  mechanism: ScramMechanism,
  who: { user: string; password: string },
) {
  assert.equal((await handshake(client, mechanism)).errorCode, Errors.NONE);
  const { first, final } = scramClient(mechanism, who);
  const answer = await step(client, first);
  assert.equal(answer.errorCode, Errors.NONE);
  return step(client, final(answer.authBytes.toString()));
}

function upsertion(name: string, mechanism: ScramMechanism, password: string, iterations = 4096) {
  const salt = Buffer.from('some salt');
  const from = { password, salt, iterations };
  const code = SCRAM_MECHANISMS[mechanism];
  return { name, mechanism: code, iterations, salt, saltedPassword: saltedPassword(mechanism, from) };
}

type Alteration = Parameters<typeof alterBody>[0];
function alterBody(change: {
  readonly deletions?: readonly { name: string; mechanism: number }[];
  readonly upsertions?: readonly ReturnType<typeof upsertion>[];
}) {
  return { deletions: change.deletions ?? [], upsertions: change.upsertions ?? [] };
}

async function alter(client: TestClient, change: Alteration): Promise<Record<string, string>> {
  const { results } = await client.request(
    AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse,
    0,
    alterBody(change),
  );
  return Object.fromEntries(
    results.map(({ user, errorCode, errorMessage }) => [user, errorMessage ?? `${errorCode}`]),
  );
}

async function describe(client: TestClient, users: string[] | null) {
  const { results } = await client.request(
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    0,
    { users: users?.map((name) => ({ name })) ?? null },
  );
  return results.map(({ user, errorCode, credentialInfos }) => ({
    user,
    errorCode,
    has: credentialInfos.map(({ mechanism, iterations }) => `${mechanism}:${iterations}`),
  }));
}

async function closed(cluster: TestCluster, client: TestClient): Promise<void> {
  await cluster.pass(1_000);
  assert.equal(client.isClosed, true);
}

test('who logs in by PLAIN is that user, and whoever does not gets nothing', async () => {
  const asked = new Set<string>();
  const authorizer = {
    authorize({ type, name }: AuthorizedPrincipal): boolean {
      asked.add(`${type}:${name}`);
      return true;
    },
  };
  const cluster = await world({ authorizer });
  const client = await cluster.connect(1);
  assert.equal((await loginPlain(client)).errorCode, Errors.NONE);
  await describe(client, null);
  assert.deepEqual([...asked], ['User:alice']);
  const stranger = await cluster.connect(1);
  stranger.send(MetadataRequest, MetadataResponse, 12, METADATA);
  await closed(cluster, stranger);
  await cluster.stop();
});

test('before anybody has logged in, versions may be asked for, and nothing else', async () => {
  const cluster = await world();
  const client = await cluster.connect(1);
  const versions = await client.request(ApiVersionsRequest, ApiVersionsResponse, 3, {
    clientSoftwareName: 'test',
    clientSoftwareVersion: '1',
  });
  assert.ok(versions.apiKeys.length > 20);
  assert.equal((await loginPlain(client)).errorCode, Errors.NONE);
  await metadata(client);
  for (const begin of [async (one: TestClient) => void (await handshake(one, 'PLAIN')), async () => {}]) {
    const stranger = await cluster.connect(1);
    await begin(stranger);
    stranger.send(CreateTopicsRequest, CreateTopicsResponse, 7, {
      topics: [{ name: 'a', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 1_000,
      validateOnly: false,
    });
    await closed(cluster, stranger);
  }
  assert.equal(cluster.member(1).broker.services.image.topics.has('a'), false);
  await cluster.stop();
});

test('a wrong password is answered after a while, and then the connection ends', async () => {
  const cluster = await world();
  for (const [user, password] of [
    ['alice', 'guess'],
    ['nobody', CANARY],
  ] as const) {
    const client = await cluster.connect(1);
    const beganMs = cluster.ports.clock.monotonicMs();
    const { errorCode, errorMessage } = await loginPlain(client, user, password);
    assert.equal(errorCode, FAILED);
    assert.equal(errorMessage, 'Authentication failed: Invalid username or password');
    assert.ok(cluster.ports.clock.monotonicMs() - beganMs >= 100);
    await closed(cluster, client);
  }
  await cluster.stop();
});

test('a mechanism that the listener does not offer is refused with those that it does', async () => {
  const cluster = await world({
    configs: { 'listener.name.login.sasl.enabled.mechanisms': 'SCRAM-SHA-512' },
  });
  for (const mechanism of ['PLAIN', 'GSSAPI', 'scram-sha-512', '']) {
    const client = await cluster.connect(1);
    const answer = await handshake(client, mechanism);
    assert.equal(answer.errorCode, Errors.UNSUPPORTED_SASL_MECHANISM);
    assert.deepEqual(answer.mechanisms, ['SCRAM-SHA-512']);
    await closed(cluster, client);
  }
  await cluster.stop();
});

test('users of SCRAM are made, described and removed, and log in on every broker', async () => {
  const cluster = await world({}, 2);
  // The second broker is not the controller.
  const admin = await cluster.connect(2, 'OPEN');
  const done = await alter(admin, {
    upsertions: [
      upsertion('alice', 'SCRAM-SHA-256', 'one'),
      upsertion('alice', 'SCRAM-SHA-512', 'two', 8192),
      upsertion('b,o=b', 'SCRAM-SHA-256', 'three'),
    ],
  });
  assert.deepEqual(done, { alice: '0', 'b,o=b': '0' });
  await cluster.pass(100);
  for (const nodeId of [1, 2]) {
    for (const [mechanism, user, password] of [
      ['SCRAM-SHA-256', 'alice', 'one'],
      ['SCRAM-SHA-512', 'alice', 'two'],
      ['SCRAM-SHA-256', 'b,o=b', 'three'],
    ] as const) {
      const client = await cluster.connect(nodeId);
      assert.equal((await loginScram(client, mechanism, { user, password })).errorCode, Errors.NONE);
      await metadata(client);
    }
    for (const [mechanism, user, password] of [
      ['SCRAM-SHA-256', 'alice', 'two'],
      ['SCRAM-SHA-512', 'b,o=b', 'three'],
      ['SCRAM-SHA-512', 'nobody', 'three'],
    ] as const) {
      const client = await cluster.connect(nodeId);
      assert.equal((await loginScram(client, mechanism, { user, password })).errorCode, FAILED);
      await closed(cluster, client);
    }
  }
  assert.deepEqual(await describe(admin, null), [
    { user: 'alice', errorCode: 0, has: ['1:4096', '2:8192'] },
    { user: 'b,o=b', errorCode: 0, has: ['1:4096'] },
  ]);
  assert.deepEqual(
    (await describe(admin, ['alice', 'nobody', 'b,o=b', 'b,o=b'])).map(({ user, errorCode }) => [
      user,
      errorCode,
    ]),
    [
      ['alice', Errors.NONE],
      ['nobody', Errors.RESOURCE_NOT_FOUND],
      ['b,o=b', Errors.DUPLICATE_RESOURCE],
    ],
  );
  const removed = await alter(admin, {
    deletions: [
      { name: 'alice', mechanism: 1 },
      { name: 'b,o=b', mechanism: 1 },
    ],
  });
  assert.deepEqual(removed, { alice: '0', 'b,o=b': '0' });
  assert.deepEqual(await describe(admin, null), [{ user: 'alice', errorCode: 0, has: ['2:8192'] }]);
  const client = await cluster.connect(2);
  const late = await loginScram(client, 'SCRAM-SHA-256', { user: 'alice', password: 'one' });
  assert.equal(late.errorCode, FAILED);
  await cluster.stop();
});

test('changes to users that are not right are refused with the reason, and others are made', async () => {
  const cluster = await world();
  const admin = await cluster.connect(1, 'OPEN');
  const good = upsertion('good', 'SCRAM-SHA-256', 'x');
  const results = await alter(admin, {
    deletions: [
      { name: 'gone', mechanism: 1 },
      { name: 'twice', mechanism: 1 },
      { name: 'odd', mechanism: 7 },
    ],
    upsertions: [
      good,
      upsertion('twice', 'SCRAM-SHA-256', 'x'),
      { ...good, name: '' },
      { ...good, name: 'few', iterations: 4095 },
      { ...good, name: 'many', iterations: 16_385 },
      { ...good, name: 'unsalted', salt: Buffer.alloc(0) },
      { ...good, name: 'salty', salt: Buffer.alloc(5_000) },
      { ...good, name: 'x'.repeat(1_025) },
    ],
  });
  assert.deepEqual(results, {
    good: '0',
    gone: 'Attempt to delete a user credential that does not exist',
    twice: 'A user credential cannot be altered twice in the same request',
    odd: 'Unknown SCRAM mechanism',
    '': 'Username must not be empty',
    few: 'Too few iterations',
    many: 'Too many iterations',
    unsalted: 'Salt and salted password must not be empty',
    salty: 'Salt or salted password is too long',
    ['x'.repeat(1_025)]: 'Username is too long',
  });
  assert.deepEqual(
    (await describe(admin, null)).map(({ user }) => user),
    ['good'],
  );
  await cluster.stop();
});

test('a session that is over serves nothing until its user has shown itself again, and stays that user', async () => {
  const cluster = await world({ configs: { 'connections.max.reauth.ms': '60000' } });
  const client = await cluster.connect(1);
  assert.equal((await loginPlain(client)).sessionLifetimeMs, 60_000);
  await cluster.pass(59_000);
  await metadata(client);
  assert.equal((await loginPlain(client)).errorCode, Errors.NONE);
  await cluster.pass(59_000);
  await metadata(client);
  await cluster.pass(2_000);
  assert.equal((await loginPlain(client)).errorCode, Errors.NONE);
  await metadata(client);
  await cluster.pass(61_000);
  client.send(MetadataRequest, MetadataResponse, 12, METADATA);
  await closed(cluster, client);

  const other = await cluster.connect(1);
  await loginPlain(other);
  assert.equal((await loginPlain(other, 'bob', `${CANARY}-2`)).errorCode, FAILED);
  await closed(cluster, other);
  const third = await cluster.connect(1);
  await loginPlain(third);
  assert.equal((await handshake(third, 'SCRAM-SHA-256')).errorCode, Errors.UNSUPPORTED_SASL_MECHANISM);
  await closed(cluster, third);
  await cluster.stop();
});

test('without requests around them, the messages of a mechanism do as well', async () => {
  const cluster = await world();
  const client = await cluster.connect(1);
  assert.equal((await handshake(client, 'PLAIN', 0)).errorCode, Errors.NONE);
  const token = Buffer.from(`\0alice\0${CANARY}`);
  const size = Buffer.alloc(4);
  size.writeInt32BE(token.length);
  let answer = Buffer.alloc(0);
  const { onData } = client.connection;
  client.connection.onData = (chunk) => {
    answer = Buffer.concat([answer, chunk]);
  };
  client.connection.write([size, token]);
  await cluster.pass(500);
  assert.equal(answer.toString('hex'), '00000000');
  client.connection.onData = onData;
  await metadata(client);
  const wrong = await cluster.connect(1);
  await handshake(wrong, 'PLAIN', 0);
  wrong.connection.write([size, Buffer.from(token.map((byte) => byte ^ 1))]);
  await closed(cluster, wrong);
  await cluster.stop();
});

test('SaslAuthenticate without a mechanism, or after all is done, is an error and ends the connection', async () => {
  const cluster = await world();
  const client = await cluster.connect(1);
  assert.equal((await step(client, 'x')).errorCode, Errors.ILLEGAL_SASL_STATE);
  await closed(cluster, client);
  const done = await cluster.connect(1);
  await loginPlain(done);
  assert.equal((await step(done, 'x')).errorCode, Errors.ILLEGAL_SASL_STATE);
  await closed(cluster, done);
  const open = await cluster.connect(1, 'OPEN');
  assert.equal((await handshake(open, 'PLAIN')).errorCode, Errors.ILLEGAL_SASL_STATE);
  await metadata(open);
  await cluster.stop();
});

test('brokers know each other on a listener where clients must log in', async () => {
  const cluster = await world(
    { configs: { 'listener.name.login.sasl.enabled.mechanisms': 'HEADRACE-BROKER' } },
    2,
  );
  const admin = await cluster.connect(2, 'OPEN');
  const { topics } = await admin.request(CreateTopicsRequest, CreateTopicsResponse, 7, {
    topics: [{ name: 'a', numPartitions: 1, replicationFactor: 2, assignments: [], configs: [] }],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  assert.equal(topics[0]!.errorCode, Errors.NONE);
  await cluster.pass(2_000);
  assert.equal(cluster.member(1).broker.services.image.partition('a', 0)!.isr.length, 2);
  const client = await cluster.connect(1);
  assert.deepEqual((await handshake(client, 'PLAIN')).mechanisms, []);
  await cluster.stop();
});

test('S05: who has not logged in is limited in time, in number and in the size of a request', async () => {
  const cluster = await world();
  const idle = await cluster.connect(1);
  await cluster.pass(AUTHENTICATION_MS_MAX - 1_000);
  assert.equal(idle.isClosed, false);
  await cluster.pass(1_500);
  assert.equal(idle.isClosed, true);

  const large = await cluster.connect(1);
  const frame = Buffer.alloc(4);
  frame.writeInt32BE(UNAUTHENTICATED_FRAME_BYTES_MAX + 1);
  large.connection.write([frame]);
  await closed(cluster, large);
  const client = await cluster.connect(1);
  await loginPlain(client);
  const api = apiOf(MetadataRequest.key)!;
  const topics = Array.from({ length: 3_000 }, (_, n) => ({
    topicId: '\0'.repeat(16),
    name: `topic-${n}-${'x'.repeat(20)}`,
  }));
  const bytes = encodeRequest(api, {
    version: 12,
    correlationId: 9,
    clientId: 'x',
    body: { ...METADATA, topics },
  });
  assert.ok(bytes.reduce((sum, { length }) => sum + length, 0) > UNAUTHENTICATED_FRAME_BYTES_MAX);
  await client.request(MetadataRequest, MetadataResponse, 12, { ...METADATA, topics });

  const network = cluster.network.port('many', cluster.ports.process);
  const { host } = cluster.member(1);
  const connections = [];
  for (let count = 0; count <= UNAUTHENTICATED_PER_HOST_MAX; count++) {
    const connection = await cluster.settle(network.connect(host, BROKER_PORT));
    const one = { connection, isClosed: false };
    connection.onClose = () => (one.isClosed = true);
    connections.push(one);
  }
  await cluster.pass(500);
  assert.equal(connections.filter(({ isClosed }) => isClosed).length, 1);
  for (const { connection } of connections) connection.destroy();
  await cluster.pass(500);
  const again = await cluster.settle(network.connect(host, BROKER_PORT));
  let isClosed = false;
  again.onClose = () => (isClosed = true);
  await cluster.pass(500);
  assert.equal(isClosed, false);
  await cluster.stop();
});

test('S26: passwords are in no description of a configuration', async () => {
  const cluster = await world();
  const client = await cluster.connect(1, 'OPEN');
  const answer = await client.request(DescribeConfigsRequest, DescribeConfigsResponse, 4, {
    resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  const text = JSON.stringify(answer);
  assert.match(text, /listener\.name\.login\.plain\.sasl\.jaas\.config/);
  assert.ok(!text.includes('canary'));
  await cluster.stop();
});

const REFUSED: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  [
    'a mechanism that there is not',
    { 'sasl.enabled.mechanisms': 'GSSAPI' },
    /LOGIN\): GSSAPI is not offered; choose from PLAIN/,
  ],
  [
    'no mechanism where clients come',
    { 'sasl.enabled.mechanisms': '', 'inter.broker.listener.name': 'OPEN' },
    /name at least one/,
  ],
  [
    'PLAIN without users',
    { 'listener.name.login.plain.sasl.jaas.config': '' },
    /listener\.name\.login\.plain\.sasl\.jaas\.config/,
  ],
  [
    'passwords in the clear',
    { 'allow.insecure.listeners': 'false', listeners: `LOGIN://10.0.0.1:${BROKER_PORT}` },
    /PLAIN would send passwords in the clear/,
  ],
  [
    'access rules, which there are not',
    { 'authorizer.class.name': 'StandardAuthorizer' },
    /authorizer\.class\.name: this release has no/,
  ],
];
for (const [what, configs, message] of REFUSED) {
  test(`a broker with ${what} does not start, and the setting is named`, async () => {
    await assert.rejects(world({ configs }), (error: Error) => {
      assert.equal(error.name, 'ConfigurationError');
      assert.match(error.message, message);
      assert.ok(!error.message.includes('canary'));
      return true;
    });
  });
}
