// Clients in several languages on listeners with TLS and SASL: each shows who it is, writes and reads, and gets nowhere without.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import kafkajs, { type SASLOptions } from 'kafkajs';
import { AUTHORITY, CLIENT, SERVER } from '../../src/base/test-certificates.ts';
import { startBroker, type Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { memoryDisk } from '../../src/runtime/memory-disk.ts';
import { realPorts } from '../../src/runtime/ports.ts';
import { PLAIN_MODULE } from '../../src/security/sasl/login-settings.ts';
import { run } from '../../scripts/peer-cache.ts';
import { installGo } from '../../scripts/peer-go.ts';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { installPython } from '../../scripts/peer-python.ts';
import { installKcat } from '../../scripts/peer-kcat.ts';
import { kafkaTools } from './java-tools.ts';
import { kcat } from './kcat-peer.ts';
import { obtain } from './peer.ts';
import { startProcessPeer } from './process-peer.ts';

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
type Mechanism = (typeof MECHANISMS)[number];
const USER = 'alice';
const PASSWORD = 'alice-secret';
const RECORDS = 3;

const { installed: classpath, skip: skipJava } = await obtain(installKafkaTools);
const { installed: python, skip: skipPython } = await obtain(installPython);
const { skip: skipKcat } = await obtain(installKcat);
const { installed: program, skip: skipGo } = await obtain(() => installGo('franz-go'));

const folder = mkdtempSync(join(tmpdir(), 'headrace-security-'));
const file = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};
const files = {
  authority: file('authority.pem', AUTHORITY),
  certificate: file('client.pem', CLIENT.certificate),
  key: file('client.key', CLIENT.key),
  keystore: file('client-store.pem', CLIENT.key + CLIENT.certificate),
};

/** Who the broker believed its clients to be. */
const seen = new Set<string>();
const real = realPorts({ logger: silentLogger() });
const OPTIONS: BrokerOptions = {
  ports: { ...real, disk: memoryDisk({ clock: real.clock }) },
  configs: new Map([
    ['log.dirs', '/headrace'],
    ['listeners', 'TLS://127.0.0.1:0,LOGIN://127.0.0.1:0,LOGINCLEAR://127.0.0.1:0'],
    ['listener.security.protocol.map', 'TLS:SSL,LOGIN:SASL_SSL,LOGINCLEAR:SASL_PLAINTEXT'],
    ['ssl.keystore.type', 'PEM'],
    ['ssl.keystore.certificate.chain', SERVER.certificate],
    ['ssl.keystore.key', SERVER.key],
    ['ssl.truststore.type', 'PEM'],
    ['ssl.truststore.certificates', AUTHORITY],
    ['listener.name.tls.ssl.client.auth', 'required'],
    ['ssl.principal.mapping.rules', 'RULE:^CN=(.*?),.*$/by-certificate-$1/,DEFAULT'],
    ['sasl.enabled.mechanisms', MECHANISMS.join(',')],
    ['listener.name.login.plain.sasl.jaas.config', `${PLAIN_MODULE} required user_${USER}="${PASSWORD}";`],
    [
      'listener.name.loginclear.plain.sasl.jaas.config',
      `${PLAIN_MODULE} required user_${USER}="${PASSWORD}";`,
    ],
    ['group.initial.rebalance.delay.ms', '0'],
  ]),
  authorizer: {
    authorize({ type, name }) {
      seen.add(`${type}:${name}`);
      return true;
    },
  },
};
let broker: Broker;
before(async () => {
  broker = await startBroker(OPTIONS);
  await makeUsers();
});
after(async () => {
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
});

type ListenerName = 'TLS' | 'LOGIN' | 'LOGINCLEAR';
const addressOf = (name: ListenerName): string =>
  `127.0.0.1:${broker.addresses.find(({ listener }) => listener === name)!.port}`;
const PROTOCOLS = { TLS: 'SSL', LOGIN: 'SASL_SSL', LOGINCLEAR: 'SASL_PLAINTEXT' } as const;

/** A way in. */
interface Way {
  readonly listener: ListenerName;
  readonly mechanism?: Mechanism;
  readonly password?: string;
}
const WAYS: readonly Way[] = [
  { listener: 'TLS' },
  ...MECHANISMS.map((mechanism) => ({ listener: 'LOGIN' as const, mechanism })),
  { listener: 'LOGINCLEAR', mechanism: 'SCRAM-SHA-256' },
];
const nameOf = ({ listener, mechanism }: Way): string =>
  [PROTOCOLS[listener], mechanism ?? ''].join(' ').trim();

/** Writes some records through a way and reads them back; rejects where it does not let in. */
type Client = (way: Way, topic: string) => Promise<string[]>;

/** What is written is read, as the user that the way makes of one; a wrong password does not let in. */
function checkClient(
  {
    name,
    skip,
    ways,
  }: { readonly name: string; readonly skip?: string | undefined; readonly ways: readonly Way[] },
  client: Client,
): void {
  for (const way of ways) {
    const topic = `${name}-${nameOf(way)}`.replace(/[^A-Za-z0-9]+/g, '-');
    test(`${name}, ${nameOf(way)}`, { skip: skip ?? false }, async () => {
      seen.clear();
      const expected = Array.from({ length: RECORDS }, (_, n) => `record ${n}`);
      assert.deepEqual(await client(way, topic), expected);
      assert.deepEqual(
        [...seen],
        [way.mechanism === undefined ? 'User:by-certificate-alice' : `User:${USER}`],
      );
      if (way.mechanism === undefined) return;
      await assert.rejects(client({ ...way, password: 'guess' }, `${topic}-2`));
      assert.ok(!broker.services.image.topics.has(`${topic}-2`));
    });
  }
}

// --- Apache Kafka's own tools. They make the users, too.

const java = kafkaTools(classpath ?? '');

function javaSettings({ listener, mechanism, password = PASSWORD }: Way): string {
  const lines = [
    `security.protocol=${PROTOCOLS[listener]}`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${files.authority}`,
    'request.timeout.ms=10000',
    'default.api.timeout.ms=15000',
  ];
  if (listener === 'TLS') lines.push('ssl.keystore.type=PEM', `ssl.keystore.location=${files.keystore}`);
  if (mechanism !== undefined) {
    const module = mechanism === 'PLAIN' ? 'plain.PlainLoginModule' : 'scram.ScramLoginModule';
    lines.push(
      `sasl.mechanism=${mechanism}`,
      `sasl.jaas.config=org.apache.kafka.common.security.${module} required username="${USER}" password="${password}";`,
    );
  }
  return file(
    `java-${nameOf({ listener, ...(mechanism === undefined ? {} : { mechanism }) })}.properties`,
    lines.join('\n'),
  );
}

const serverOf = (way: Way): string[] => [
  '--bootstrap-server',
  addressOf(way.listener),
  '--command-config',
  javaSettings(way),
];

/** By the tools where they can be had; else as they would. */
async function makeUsers(): Promise<void> {
  if (skipJava === undefined) {
    const scram =
      'SCRAM-SHA-256=[iterations=4096,password=alice-secret],SCRAM-SHA-512=[password=alice-secret]';
    const change = ['--alter', '--entity-type', 'users', '--entity-name', USER, '--add-config', scram];
    await java.tool('configs', [...serverOf({ listener: 'TLS' }), ...change]);
    return;
  }
  const { credentialOf } = await import('../../src/security/sasl/scram.ts');
  const { saltedPassword } = await import('../../src/security/sasl/test-scram-client.ts');
  const salt = Buffer.from('salt');
  const upsertions = (['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map((mechanism, index) => {
    const from = { password: PASSWORD, salt, iterations: 4096 };
    const salted = saltedPassword(mechanism, from);
    return {
      mechanism: index + 1,
      ...credentialOf(mechanism, { iterations: 4096, salt, saltedPassword: salted }),
    };
  });
  await broker.services.controller.alterScramUsers([{ name: USER, deletions: [], upsertions }]);
}
test('Kafka tools, a producer by SASL_SSL and a consumer by TLS', { skip: skipJava ?? false }, async () => {
  const login: Way = { listener: 'LOGIN', mechanism: 'SCRAM-SHA-512' };
  await java.tool('console-producer', [...serverOf(login), '--topic', 'java'], 'one\ntwo\n');
  const read = ['--topic', 'java', '--from-beginning', '--max-messages', '2'];
  assert.equal(
    await java.tool('console-consumer', [...serverOf({ listener: 'TLS' }), ...read]),
    'one\ntwo\n',
  );
});

test('Kafka tools, a wrong password is told as such', { skip: skipJava ?? false }, async () => {
  const wrong: Way = { listener: 'LOGIN', mechanism: 'SCRAM-SHA-256', password: 'guess' };
  const { code, stdout, stderr } = await java.attempt('topics', [...serverOf(wrong), '--list']);
  assert.notEqual(code, 0);
  assert.match(
    stdout + stderr,
    /SaslAuthenticationException: Authentication failed during authentication due to/,
  );
});

// --- Our own commands, by the same settings files

test('headrace cluster status, by TLS and by a password', async () => {
  for (const way of WAYS) {
    const program = join(import.meta.dirname, '..', '..', 'bin', 'headrace.ts');
    const text = await run(process.execPath, [program, 'cluster', 'status', ...serverOf(way), '--json']);
    assert.equal((JSON.parse(text) as { brokers: unknown[] }).brokers.length, 1, nameOf(way));
  }
});

// --- librdkafka: kcat often has one before 2.6.1, which breaks a rule of SCRAM that Kafka insists on as well

const isOfScram = ({ mechanism }: Way): boolean => mechanism?.startsWith('SCRAM') === true;
checkClient(
  { name: 'kcat', skip: skipKcat, ways: WAYS.filter((way) => !isOfScram(way)) },
  async (way, topic) => {
    const { listener, mechanism, password = PASSWORD } = way;
    const settings = [
      `security.protocol=${PROTOCOLS[listener]}`,
      `ssl.ca.location=${files.authority}`,
      'message.timeout.ms=8000',
      ...(listener === 'TLS'
        ? [`ssl.certificate.location=${files.certificate}`, `ssl.key.location=${files.key}`]
        : []),
      ...(mechanism === undefined
        ? []
        : [`sasl.mechanism=${mechanism}`, `sasl.username=${USER}`, `sasl.password=${password}`]),
    ];
    const base = ['-b', addressOf(listener), ...settings.flatMap((one) => ['-X', one]), '-t', topic];
    const input = file('kcat.txt', Array.from({ length: RECORDS }, (_, n) => `record ${n}\n`).join(''));
    await kcat([...base, '-P', '-p', '0'], { input });
    const text = await kcat([...base, '-C', '-o', 'beginning', '-c', String(RECORDS), '-q', '-p', '0']);
    return text.trim().split('\n');
  },
);

checkClient({ name: 'confluent-kafka', skip: skipPython, ways: WAYS }, async (way, topic) => {
  const { listener, mechanism, password = PASSWORD } = way;
  const settings = {
    'bootstrap.servers': addressOf(listener),
    'security.protocol': PROTOCOLS[listener],
    'ssl.ca.location': files.authority,
    ...(listener === 'TLS'
      ? { 'ssl.certificate.location': files.certificate, 'ssl.key.location': files.key }
      : {}),
    ...(mechanism === undefined
      ? {}
      : { 'sasl.mechanism': mechanism, 'sasl.username': USER, 'sasl.password': password }),
  };
  const script = join(import.meta.dirname, 'peers', 'python', 'security.py');
  const text = await run(python!, ['-B', script, JSON.stringify(settings), topic, String(RECORDS)]);
  return text.trim().split('\n');
});

// --- kafkajs

checkClient({ name: 'kafkajs', ways: WAYS }, async (way, topic) => {
  const { listener, mechanism, password = PASSWORD } = way;
  const pair = listener === 'TLS' ? { cert: CLIENT.certificate, key: CLIENT.key } : {};
  const kafka = new kafkajs.Kafka({
    brokers: [addressOf(listener)],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 1 },
    ...(listener === 'LOGINCLEAR' ? {} : { ssl: { ca: [AUTHORITY], ...pair } }),
    ...(mechanism === undefined
      ? {}
      : { sasl: { mechanism: mechanism.toLowerCase(), username: USER, password } as SASLOptions }),
  });
  const admin = kafka.admin();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: topic });
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
    await producer.connect();
    const messages = Array.from({ length: RECORDS }, (_, n) => ({ value: `record ${n}` }));
    await producer.send({ topic, messages });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const values: string[] = [];
    await new Promise<void>((resolve) => {
      void consumer.run({
        eachMessage: async ({ message }) => {
          if (values.push(message.value!.toString()) === RECORDS) resolve();
        },
      });
    });
    return values;
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
  }
});

// --- franz-go

checkClient({ name: 'franz-go', skip: skipGo, ways: WAYS }, async (way, topic) => {
  const { listener, mechanism, password = PASSWORD } = way;
  const variables = [
    ...(listener === 'LOGINCLEAR' ? [] : [`INTEROP_AUTHORITY=${files.authority}`]),
    ...(listener === 'TLS' ? [`INTEROP_CERTIFICATE=${files.certificate}`, `INTEROP_KEY=${files.key}`] : []),
    ...(mechanism === undefined ? [] : [`INTEROP_LOGIN=${mechanism} ${USER} ${password}`]),
  ];
  const peer = startProcessPeer(['env', ...variables, program!], addressOf(listener));
  try {
    // The library goes on trying where it is refused.
    const limit = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error('not let in')), 3_000).unref(),
    );
    await Promise.race([peer.createTopic(topic, 1, {}), ...(password === PASSWORD ? [] : [limit])]);
    const blank = { partition: 0, key: null, headers: [], timestamp: 1 };
    const records = Array.from({ length: RECORDS }, (_, n) => ({
      ...blank,
      value: Buffer.from(`record ${n}`),
    }));
    await peer.produce(topic, records);
    return (await peer.read(topic, 0, 'earliest', RECORDS)).map(({ value }) => value!.toString());
  } finally {
    await peer.close();
  }
});
