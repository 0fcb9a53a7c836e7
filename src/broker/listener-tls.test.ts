import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import {
  AUTHORITY,
  CLIENT,
  ELSEWHERE,
  SERVER,
  SERVER_RENEWED,
  STRANGER,
  type Certified,
} from '../base/test-certificates.ts';
import type { ClientTls, Connection, MetadataStore, Ports } from '../base/ports.ts';
import { MemoryStoreServer } from '../metadata/memory-store.ts';
import { Errors } from '../protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../protocol/messages/03-metadata.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../protocol/messages/44-incremental-alter-configs.ts';
import { ClientConnection, type ClientRequest } from '../rpc/client-connection.ts';
import { silentLogger } from '../runtime/logger.ts';
import { memoryDisk } from '../runtime/memory-disk.ts';
import { realPorts } from '../runtime/ports.ts';
import type { AuthorizedPrincipal } from '../security/authorizer.ts';
import { startBroker, type Broker } from './broker.ts';
import { CERTIFICATE_CHECK_INTERVAL_MS } from './listener-tls.ts';

const FOLDER = '/headrace';
const CLIENT_TLS: ClientTls = {
  versionMin: 'TLSv1.2',
  versionMax: 'TLSv1.3',
  authorities: AUTHORITY,
  checksHost: true,
};
const real = realPorts({ logger: silentLogger() });
const ports = (): Ports => ({ ...real, disk: memoryDisk({ clock: real.clock }) });

function pemSettings({ certificate, key }: Certified, prefix = ''): Record<string, string> {
  return {
    [`${prefix}ssl.keystore.type`]: 'PEM',
    [`${prefix}ssl.keystore.certificate.chain`]: certificate,
    [`${prefix}ssl.keystore.key`]: key,
    [`${prefix}ssl.truststore.type`]: 'PEM',
    [`${prefix}ssl.truststore.certificates`]: AUTHORITY,
  };
}

async function start(
  context: TestContext,
  settings: Record<string, string>,
  more: {
    readonly ports?: Ports;
    readonly store?: MetadataStore;
    readonly onAsk?: (who: AuthorizedPrincipal) => void;
  } = {},
): Promise<Broker> {
  const configs = new Map(Object.entries({ 'log.dirs': FOLDER, ...settings }));
  const authorizer = {
    authorize(principal: AuthorizedPrincipal): boolean {
      more.onAsk?.(principal);
      return true;
    },
  };
  const { store } = more;
  const broker = await startBroker({
    ports: more.ports ?? ports(),
    configs,
    authorizer,
    ...(store === undefined ? {} : { store }),
  });
  context.after(() => broker.stop());
  return broker;
}

async function connect(
  context: TestContext,
  port: number,
  options: Partial<ClientTls> = {},
): Promise<{
  readonly ask: <W, R>(wanted: Omit<ClientRequest<W, R>, 'timeoutMs'>) => Promise<R>;
  raw: Connection;
}> {
  const raw = await real.network.connect('127.0.0.1', port, { ...CLIENT_TLS, ...options });
  const connection = new ClientConnection({ connection: raw, timers: real.timers, clientId: 'test' });
  context.after(() => connection.destroy());
  return { raw, ask: (wanted) => connection.request({ ...wanted, timeoutMs: 10_000 }) };
}

const METADATA = {
  request: MetadataRequest,
  response: MetadataResponse,
  version: 12,
  body: {
    topics: [],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
    includeClusterAuthorizedOperations: false,
  },
};

test('a client by TLS is who its certificate says, by the rules, and is told the addresses of its listener', async (context) => {
  const asked = new Set<string>();
  const broker = await start(
    context,
    {
      listeners: 'PLAIN://127.0.0.1:0,SECURE://127.0.0.1:0',
      'listener.security.protocol.map': 'PLAIN:PLAINTEXT,SECURE:SSL',
      'advertised.listeners': 'PLAIN://plain.test:1,SECURE://secure.test:2',
      ...pemSettings(SERVER, 'listener.name.secure.'),
      'listener.name.secure.ssl.client.auth': 'requested',
      'ssl.principal.mapping.rules': 'RULE:^CN=(.*?),OU=Payments.*$/$1/U',
    },
    { onAsk: ({ type, name }) => asked.add(`${type}:${name}`) },
  );
  const port = broker.addresses.find(({ listener }) => listener === 'SECURE')!.port;
  const create = {
    request: CreateTopicsRequest,
    response: CreateTopicsResponse,
    version: 7,
    body: {
      topics: [{ name: 'a', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
      timeoutMs: 10_000,
      validateOnly: false,
    },
  };
  const alice = await connect(context, port, CLIENT);
  assert.equal((await alice.ask(create)).topics[0]!.errorCode, Errors.NONE);
  assert.deepEqual([...asked], ['User:ALICE']);
  asked.clear();
  const nobody = await connect(context, port);
  assert.equal((await nobody.ask(create)).topics[0]!.errorCode, Errors.TOPIC_ALREADY_EXISTS);
  assert.deepEqual([...asked], ['User:ANONYMOUS']);
  const { brokers } = await nobody.ask(METADATA);
  assert.deepEqual(
    brokers.map(({ host, port: told }) => `${host}:${told}`),
    ['secure.test:2'],
  );
  // No rule is about this name.
  const other = await connect(context, port, SERVER);
  await assert.rejects(other.ask(METADATA), { failure: 'closed' });
});

test('certificates in files are taken over when the files change, not for another name', async (context) => {
  const clock = real.clock;
  const disk = memoryDisk({ clock });
  const write = ({ certificate, key }: Certified): void => {
    const file = disk.open('/broker.pem', 'create');
    file.truncate(0);
    file.write(0, [Buffer.from(key + certificate)]);
    file.close();
  };
  write(SERVER);
  let check = (): void => assert.fail('nobody looks at the files');
  const timers = {
    ...real.timers,
    after(delayMs: number, callback: () => void) {
      if (delayMs === CERTIFICATE_CHECK_INTERVAL_MS) check = callback;
      return real.timers.after(delayMs, callback);
    },
  };
  const broker = await start(
    context,
    {
      listeners: 'SSL://127.0.0.1:0',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': '/broker.pem',
    },
    { ports: { ...real, disk, timers } },
  );
  const shown = async (): Promise<Buffer> => {
    const { raw } = await connect(context, broker.address.port, { checksHost: false });
    return raw.peerCertificate!;
  };
  const first = await shown();
  write(SERVER_RENEWED);
  assert.ok((await shown()).equals(first));
  check();
  const second = await shown();
  assert.ok(!second.equals(first));
  for (const refused of [
    ELSEWHERE,
    { certificate: SERVER.certificate, key: CLIENT.key },
    { certificate: '', key: '' },
  ]) {
    write(refused);
    check();
    assert.ok((await shown()).equals(second));
  }
  write(SERVER);
  check();
  assert.ok((await shown()).equals(first));
});

test('certificates in settings are taken over when an admin client changes them', async (context) => {
  const broker = await start(context, {
    listeners: 'SECURE://127.0.0.1:0',
    'listener.security.protocol.map': 'SECURE:SSL',
    ...pemSettings(SERVER),
  });
  const before = await connect(context, broker.address.port);
  const changed = Object.entries(pemSettings(SERVER_RENEWED, 'listener.name.secure.'));
  const { responses } = await before.ask({
    request: IncrementalAlterConfigsRequest,
    response: IncrementalAlterConfigsResponse,
    version: 1,
    body: {
      resources: [
        {
          resourceType: 4,
          resourceName: '1',
          configs: changed.map(([name, value]) => ({ name, configOperation: 0, value })),
        },
      ],
      validateOnly: false,
    },
  });
  assert.equal(responses[0]!.errorMessage ?? responses[0]!.errorCode, Errors.NONE);
  const after = await connect(context, broker.address.port);
  assert.ok(!after.raw.peerCertificate!.equals(before.raw.peerCertificate!));
  await before.ask(METADATA);
});

test('brokers talk to each other by TLS, both showing certificates, and a stranger is not let in', async (context) => {
  const server = new MemoryStoreServer({ timers: real.timers, random: real.random });
  const settings = (nodeId: number): Record<string, string> => ({
    'node.id': String(nodeId),
    listeners: 'BROKERS://127.0.0.1:0',
    'listener.security.protocol.map': 'BROKERS:SSL',
    'inter.broker.listener.name': 'BROKERS',
    'ssl.client.auth': 'required',
    ...pemSettings(SERVER),
  });
  const brokers: Broker[] = [];
  for (const nodeId of [1, 2]) {
    const own = ports();
    brokers.push(await start(context, settings(nodeId), { ports: own, store: server.connect(own) }));
  }
  const client = await connect(context, brokers[1]!.address.port, CLIENT);
  // The second broker is not the controller: it passes this on, and the partition needs both.
  const { topics } = await client.ask({
    request: CreateTopicsRequest,
    response: CreateTopicsResponse,
    version: 7,
    body: {
      topics: [{ name: 'a', numPartitions: 1, replicationFactor: 2, assignments: [], configs: [] }],
      timeoutMs: 10_000,
      validateOnly: false,
    },
  });
  assert.equal(topics[0]!.errorMessage ?? topics[0]!.errorCode, Errors.NONE);
  for (const shown of [{}, STRANGER]) {
    const attempt = connect(context, brokers[0]!.address.port, shown).then(({ ask }) => ask(METADATA));
    await assert.rejects(attempt);
  }
});

const REFUSED: readonly (readonly [string, Record<string, string>, RegExp])[] = [
  ['without a certificate', {}, /ssl\.keystore\.location \(listener SSL\): must name/],
  [
    'with a keystore of Java',
    { 'ssl.keystore.location': '/x.jks' },
    /ssl\.keystore\.type .* is JKS; set it to PEM/,
  ],
  [
    'with a file that is not there',
    { 'ssl.keystore.type': 'PEM', 'ssl.keystore.location': '/none.pem' },
    /ssl\.keystore\.location .*\/none\.pem cannot be read/,
  ],
  [
    'with the key of another certificate',
    { ...pemSettings({ certificate: SERVER.certificate, key: CLIENT.key }) },
    /cannot be used: .*key values mismatch/i,
  ],
  [
    'that asks for certificates and believes nobody',
    { ...pemSettings(SERVER), 'ssl.client.auth': 'required', 'ssl.truststore.certificates': '' },
    /ssl\.truststore\.location .*must name who vouches/,
  ],
  ['of an old version', { ...pemSettings(SERVER), 'ssl.enabled.protocols': 'TLSv1' }, /TLSv1 is not offered/],
  [
    'with a cipher that nobody offers',
    { ...pemSettings(SERVER), 'ssl.cipher.suites': 'TLS_RSA_WITH_RC4_128_MD5' },
    /RC4_128_MD5 is not offered/,
  ],
  [
    'with rules that are none',
    { ...pemSettings(SERVER), 'ssl.principal.mapping.rules': 'x' },
    /x does not begin/,
  ],
];
for (const [what, settings, message] of REFUSED) {
  test(`a listener ${what} does not start, and the setting is named`, async (context) => {
    const starting = start(context, { listeners: 'SSL://127.0.0.1:0', ...settings });
    await assert.rejects(starting, (error: Error) => {
      assert.equal(error.name, 'ConfigurationError');
      assert.match(error.message, message);
      for (const secret of [SERVER.key, CLIENT.key]) {
        assert.ok(!error.message.includes(secret.split('\n')[1]!), 'no key is shown');
      }
      return true;
    });
  });
}

test('a listener on every address must be told how others reach it', async (context) => {
  const settings = { ...pemSettings(SERVER), 'ssl.client.auth': 'required' };
  await assert.rejects(
    start(context, { listeners: 'SSL://:0', ...settings }),
    /advertised\.listeners: must say/,
  );
});
