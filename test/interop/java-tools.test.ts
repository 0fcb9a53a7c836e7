// Apache Kafka's own command line tools (4.3.1) against a running broker, and DumpLogSegments on what it leaves on disk.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { inspectSegments, kafkaTools, type Tools } from './java-tools.ts';
import { obtain } from './peer.ts';
import { advertised, featuresFor, served } from './served.ts';
import { startTarget, type Target } from './target.ts';

const { installed: classpath, skip } = await obtain(installKafkaTools);
const serves = await served();

describe('Kafka command line tools', { skip: skip ?? false }, () => {
  let target: Target;
  let tool: Tools['tool'];
  let attempt: Tools['attempt'];
  let server: string[];

  before(async () => {
    ({ tool, attempt } = kafkaTools(classpath!));
    target = await startTarget();
    server = ['--bootstrap-server', target.bootstrap];
  });
  after(async () => {
    await target?.discard();
  });
  const jsonFile = (name: string, content: unknown): string => {
    const path = join(target.dataDir, '..', name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const endOffsets = async (topic: string, time: string): Promise<string[]> =>
    (await tool('get-offsets', [...server, '--topic', topic, '--time', time]))
      .trim()
      .split('\n')
      .filter(Boolean)
      .sort();

  test('kafka-topics creates, lists, describes, alters and deletes', async () => {
    const create = [...server, '--create', '--topic', 'made'];
    await tool('topics', [...create, '--partitions', '3', '--config', 'retention.ms=3600000']);
    const again = await attempt('topics', create);
    assert.equal(again.code, 1);
    assert.match(again.stdout + again.stderr, /TopicExistsException/);
    await tool('topics', [...create, '--if-not-exists']);
    assert.match(await tool('topics', [...server, '--list']), /^made$/m);
    const described = await tool('topics', [...server, '--describe', '--topic', 'made']);
    assert.match(
      described,
      /Topic: made\s+TopicId: \S{22}\s+PartitionCount: 3\s+ReplicationFactor: 1\s+Configs: .*retention.ms=3600000/,
    );
    assert.equal([...described.matchAll(/Partition: \d+\s+Leader: 1\s+Replicas: 1\s+Isr: 1/g)].length, 3);
    await tool('topics', [...server, '--alter', '--topic', 'made', '--partitions', '5']);
    assert.match(await tool('topics', [...server, '--describe', '--topic', 'made']), /PartitionCount: 5/);
    assert.equal(
      (await tool('topics', [...server, '--describe', '--under-replicated-partitions'])).trim(),
      '',
    );
    await tool('topics', [...server, '--delete', '--topic', 'made']);
    assert.doesNotMatch(await tool('topics', [...server, '--list']), /^made$/m);
    const gone = await attempt('topics', [...server, '--describe', '--topic', 'made']);
    assert.match(gone.stdout + gone.stderr, /does not exist as expected/);
  });

  test('the console producer and consumer carry keys, headers and timestamps', async () => {
    const lines = 'h1:v1,h2:v2\tk1\tfirst\nh3:v3\tk2\tsecond\n';
    await tool(
      'console-producer',
      [
        ...server,
        '--topic',
        'console',
        '--reader-property',
        'parse.key=true',
        '--reader-property',
        'parse.headers=true',
        '--compression-codec',
        'lz4',
      ],
      lines,
    );
    const print = ['timestamp', 'key', 'offset', 'partition', 'headers'];
    const printed = await tool('console-consumer', [
      ...server,
      '--topic',
      'console',
      '--from-beginning',
      '--max-messages',
      '2',
      ...print.flatMap((what) => ['--formatter-property', `print.${what}=true`]),
    ]);
    assert.deepEqual(
      printed
        .trim()
        .replaceAll(/\d{13}/g, 'TIME')
        .split('\n'),
      [
        'CreateTime:TIME\tPartition:0\tOffset:0\th1:v1,h2:v2\tk1\tfirst',
        'CreateTime:TIME\tPartition:0\tOffset:1\th3:v3\tk2\tsecond',
      ],
    );
  });

  test('a console consumer in a group goes on where the group stopped', async () => {
    await tool('topics', [...server, '--create', '--topic', 'resumed', '--partitions', '2']);
    const numbers = (from: number): string =>
      Array.from({ length: 50 }, (_, index) => `${from + index}\n`).join('');
    const consume = async (): Promise<number[]> => {
      const printed = await tool('console-consumer', [
        ...server,
        '--topic',
        'resumed',
        '--group',
        'console-group',
        '--from-beginning',
        '--timeout-ms',
        '4000',
      ]);
      return printed
        .split('\n')
        .filter(Boolean)
        .map(Number)
        .sort((a, b) => a - b);
    };
    await tool('console-producer', [...server, '--topic', 'resumed'], numbers(0));
    assert.deepEqual(
      await consume(),
      Array.from({ length: 50 }, (_, index) => index),
    );
    await tool('console-producer', [...server, '--topic', 'resumed'], numbers(50));
    assert.deepEqual(
      await consume(),
      Array.from({ length: 50 }, (_, index) => 50 + index),
    );
  });

  test('the performance tools send and receive 20,000 records', async () => {
    const sent = await tool('producer-perf-test', [
      ...server,
      '--topic',
      'perf',
      '--num-records',
      '20000',
      '--record-size',
      '200',
      '--throughput',
      '-1',
      '--command-property',
      'acks=all',
      '--command-property',
      'compression.type=zstd',
    ]);
    assert.match(sent, /20000 records sent/);
    const received = await tool('consumer-perf-test', [
      ...server,
      '--topic',
      'perf',
      '--num-records',
      '20000',
      '--timeout',
      '20000',
      '--hide-header',
    ]);
    assert.equal(received.trim().split('\n').at(-1)!.split(',')[4]!.trim(), '20000');
  });

  test('the verifiable producer is acknowledged each number, and the verifiable consumer commits them all', async () => {
    const produced = await tool('verifiable-producer', [
      ...server,
      '--topic',
      'verifiable',
      '--max-messages',
      '500',
      '--acks',
      '-1',
    ]);
    const events = produced
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(events.filter((event) => event.name === 'producer_send_success').length, 500);
    assert.equal(events.at(-2).acked ?? events.at(-1).acked, 500);
    const consumed = await tool('verifiable-consumer', [
      ...server,
      '--topic',
      'verifiable',
      '--group-id',
      'verified',
      '--max-messages',
      '500',
      '--reset-policy',
      'earliest',
    ]);
    const committed = consumed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter((event) => event.name === 'offsets_committed' && event.success);
    assert.equal(committed.at(-1).offsets[0].offset, 500);
  });

  test('kafka-consumer-groups lists, describes, resets, deletes offsets and deletes', async () => {
    const group = [...server, '--group', 'verified'];
    assert.match(await tool('consumer-groups', [...server, '--list']), /^verified$/m);
    assert.match(
      await tool('consumer-groups', [...server, '--list', '--state', '--type']),
      /^verified\s+Classic\s+Empty\s*$/m,
    );
    const described = await tool('consumer-groups', [...group, '--describe']);
    assert.match(described, /verified\s+verifiable\s+0\s+(-\s+)?500\s+500\s+0/);
    assert.match(await tool('consumer-groups', [...group, '--describe', '--state']), /Empty/);
    await tool('consumer-groups', [...group, '--describe', '--members', '--verbose']);
    const reset = [...group, '--reset-offsets', '--topic', 'verifiable'];
    assert.match(
      await tool('consumer-groups', [...reset, '--to-earliest', '--dry-run']),
      /verifiable\s+0\s+0/,
    );
    await tool('consumer-groups', [...reset, '--to-offset', '123', '--execute']);
    await tool('consumer-groups', [...reset, '--shift-by', '7', '--execute']);
    assert.match(
      await tool('consumer-groups', [...group, '--describe']),
      /verifiable\s+0\s+(-\s+)?130\s+500\s+370/,
    );
    await tool('consumer-groups', [...reset, '--to-datetime', '2020-01-01T00:00:00.000', '--execute']);
    assert.match(
      await tool('consumer-groups', [...group, '--describe']),
      /verifiable\s+0\s+(-\s+)?0\s+500\s+500/,
    );
    await tool('consumer-groups', [...group, '--delete-offsets', '--topic', 'verifiable']);
    assert.doesNotMatch(await tool('consumer-groups', [...group, '--describe', '--offsets']), /verifiable/);
    await tool('consumer-groups', [...server, '--group', 'console-group', '--delete']);
    assert.doesNotMatch(await tool('consumer-groups', [...server, '--list']), /^console-group$/m);
    assert.match(await tool('groups', [...server, '--list']), /GROUP/);
  });

  test('kafka-configs describes, adds and deletes configs of topics and brokers', async () => {
    const topic = [...server, '--entity-type', 'topics', '--entity-name', 'console'];
    await tool('configs', [
      ...topic,
      '--alter',
      '--add-config',
      'retention.ms=7200000,cleanup.policy=[compact,delete]',
    ]);
    const described = await tool('configs', [...topic, '--describe']);
    assert.match(
      described,
      /retention.ms=7200000 sensitive=false synonyms=\{DYNAMIC_TOPIC_CONFIG:retention.ms=7200000\}/,
    );
    assert.match(described, /cleanup.policy=compact,delete/);
    await tool('configs', [...topic, '--alter', '--delete-config', 'retention.ms']);
    const all = await tool('configs', [...topic, '--describe', '--all']);
    assert.match(all, /retention.ms=604800000 sensitive=false/);
    assert.match(all, /segment.bytes=1073741824 .*DEFAULT_CONFIG:log.segment.bytes=1073741824/);
    const broker = [...server, '--entity-type', 'brokers', '--entity-name', '1'];
    await tool('configs', [...broker, '--alter', '--add-config', 'log.cleaner.threads=2']);
    assert.match(
      await tool('configs', [...broker, '--describe']),
      /log.cleaner.threads=2 .*DYNAMIC_BROKER_CONFIG/,
    );
    await tool('configs', [...broker, '--alter', '--delete-config', 'log.cleaner.threads']);
    assert.match(await tool('configs', [...broker, '--describe', '--all']), /node.id=1 sensitive=false/);
    const bad = await attempt('configs', [...topic, '--alter', '--add-config', 'retention.ms=soon']);
    assert.match(bad.stdout + bad.stderr, /InvalidConfigurationException|Invalid value soon/);
  });

  test('kafka-get-offsets knows every special time, and kafka-delete-records moves the start', async () => {
    assert.deepEqual(await endOffsets('verifiable', 'latest'), ['verifiable:0:500']);
    assert.deepEqual(await endOffsets('verifiable', 'earliest'), ['verifiable:0:0']);
    assert.deepEqual(await endOffsets('verifiable', 'earliest-local'), ['verifiable:0:0']);
    assert.match((await endOffsets('verifiable', 'max-timestamp'))[0]!, /^verifiable:0:\d+$/);
    assert.deepEqual(await endOffsets('verifiable', 'latest-tiered'), []);
    assert.deepEqual(await endOffsets('verifiable', 'earliest-pending-upload'), []);
    assert.deepEqual(await endOffsets('verifiable', '1000'), ['verifiable:0:0']);
    assert.deepEqual(await endOffsets('verifiable', '32503680000000'), []);
    const wanted = { partitions: [{ topic: 'verifiable', partition: 0, offset: 200 }], version: 1 };
    const deleted = await tool('delete-records', [
      ...server,
      '--offset-json-file',
      jsonFile('delete.json', wanted),
    ]);
    assert.match(deleted, /partition: verifiable-0\s+low_watermark: 200/);
    assert.deepEqual(await endOffsets('verifiable', 'earliest'), ['verifiable:0:200']);
  });

  test('kafka-log-dirs reports the sizes of replicas', async () => {
    const printed = await tool('log-dirs', [...server, '--describe', '--topic-list', 'perf']);
    const json = JSON.parse(printed.split('\n').find((line) => line.startsWith('{'))!);
    const [directory] = json.brokers[0].logDirs;
    assert.equal(directory.error, null);
    const [replica] = directory.partitions;
    assert.deepEqual([replica.partition, replica.offsetLag, replica.isFuture], ['perf-0', 0, false]);
    assert.ok(replica.size > 10_000);
  });

  test('the cluster, its API versions, features and quorum are described', async () => {
    assert.match(await tool('cluster', ['cluster-id', ...server]), /Cluster ID: \S+/);
    const versions = await tool('broker-api-versions', server);
    assert.match(versions, /Produce\(0\): \d+ to \d+ \[usable: \d+\]/);
    // The tool knows every API of its version: it shows as usable exactly what the broker advertises.
    const { apis } = await advertised(target.bootstrap);
    const shown = [...versions.matchAll(/^\t\w+\((\d+)\): (.*?),?$/gm)].map(([, key, range]) => ({
      key: Number(key),
      isUsable: /\[usable: \d+\]/.test(range!),
    }));
    assert.ok(shown.length > 40, versions);
    assert.deepEqual(
      shown.filter(({ key, isUsable }) => isUsable !== apis.has(key)),
      [],
      versions,
    );
    const features = await tool('features', [...server, 'describe']);
    for (const name of ['metadata.version', ...featuresFor(apis).keys()]) {
      assert.match(
        features,
        new RegExp(`Feature: ${name}\\s+SupportedMinVersion: \\S+\\s+SupportedMaxVersion: \\S+`),
      );
    }
    const quorum = await tool('metadata-quorum', [...server, 'describe', '--status']);
    assert.match(quorum, /LeaderId:\s+1/);
    assert.match(await tool('metadata-quorum', [...server, 'describe', '--replication']), /Leader/);
  });

  test('elections and reassignments answer truthfully on a single broker', async () => {
    const elected = await tool('leader-election', [
      ...server,
      '--election-type',
      'preferred',
      '--topic',
      'perf',
      '--partition',
      '0',
    ]);
    assert.match(elected, /Valid replica already elected for partitions perf-0/);
    const plan = { version: 1, partitions: [{ topic: 'perf', partition: 0, replicas: [1] }] };
    const file = jsonFile('reassign.json', plan);
    assert.match(
      await tool('reassign-partitions', [...server, '--list']),
      /No partition reassignments found/,
    );
    assert.match(
      await tool('reassign-partitions', [...server, '--reassignment-json-file', file, '--verify']),
      /Reassignment of partition perf-0 is completed/,
    );
    const producers = await tool('transactions', [
      ...server,
      'describe-producers',
      '--topic',
      'perf',
      '--partition',
      '0',
    ]);
    assert.match(producers, /ProducerId\s+ProducerEpoch/);
  });

  if (serves('listing transactions', 'kafka-transactions list')) {
    test('kafka-transactions lists transactions', async () => {
      assert.match(await tool('transactions', [...server, 'list']), /TransactionalId\s+Coordinator/);
    });
  }

  test('DumpLogSegments accepts every file once the broker has stopped', async () => {
    await target.stop();
    const { faults, files, records } = await inspectSegments({ tool, attempt }, target.dataDir);
    assert.deepEqual(faults, []);
    assert.ok(files > 10 && records > 20_000, `${files} files, ${records} records`);
  });
});
