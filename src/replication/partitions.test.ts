/** What partitions a broker has after a start at which one of its log directories was away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogDirectories } from '../log/log-directories.ts';
import { ClusterImage } from '../metadata/image.ts';
import { partitionKey, topicKey } from '../metadata/keys.ts';
import { NO_BROKER_CONFIGS } from '../metadata/configs/resolve.ts';
import { topicSettings } from '../metadata/configs/topic-settings.ts';
import { encodeRecord, PartitionRecord, TopicRecord } from '../metadata/records.ts';
import { Errors } from '../protocol/errors.ts';
import { buildBatch } from '../protocol/records.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { Partitions } from './partitions.ts';

const NODE_ID = 1;
const SETTINGS = topicSettings(new Map(), NO_BROKER_CONFIGS);

/** The topic is made, or made again under another id; all its partitions are on this broker alone. */
function putTopic(image: ClusterImage, name: string, topicId: string, partitionCount: number): void {
  const partition = { replicas: [NODE_ID], isr: [NODE_ID], directories: [] };
  const value = encodeRecord(TopicRecord, {
    topicId,
    partitions: Array.from({ length: partitionCount }, () => partition),
  });
  const revision = image.revision + 1;
  const key = topicKey(name);
  image.apply(revision, [{ key, value, createRevision: revision, modRevision: revision }]);
}

function deleteTopic(image: ClusterImage, name: string): void {
  const revision = image.revision + 1;
  image.apply(revision, [
    { key: topicKey(name), value: undefined, createRevision: revision, modRevision: revision },
  ]);
}

/** Another state of partition 0, whose replicas are this broker and the next one. */
function putPartition(
  image: ClusterImage,
  topicId: string,
  state: { readonly leader: number; readonly isr: number[]; readonly elr: number[] },
): void {
  const value = encodeRecord(PartitionRecord, {
    replicas: [NODE_ID, NODE_ID + 1],
    lastKnownElr: [],
    addingReplicas: [],
    removingReplicas: [],
    directories: [],
    leaderEpoch: 5,
    partitionEpoch: image.revision,
    isLeaderRecovering: false,
    ...state,
  });
  const revision = image.revision + 1;
  const key = partitionKey(topicId, 0);
  image.apply(revision, [{ key, value, createRevision: revision, modRevision: revision }]);
}

interface Running {
  readonly partitions: Partitions;
  readonly logDirectories: LogDirectories;
  stop(): Promise<void>;
}

/** As a broker does it: the logs first, then the partitions that the image holds. */
async function start(p: SimulatedPorts, image: ClusterImage): Promise<Running> {
  const logDirectories = await p.time.settle(
    LogDirectories.open({
      ports: p,
      directories: ['/a', '/b'],
      nodeId: NODE_ID,
      clusterId: 'c',
      settingsFor: () => SETTINGS,
      topicIdOf: (topic) => image.topics.get(topic)?.id,
    }),
  );
  const partitions = new Partitions({
    nodeId: NODE_ID,
    image,
    logDirectories,
    settingsOf: () => SETTINGS,
    ports: p,
    checkpointIntervalMs: 5_000,
  });
  partitions.start();
  const stop = async (): Promise<void> => {
    await p.time.settle(partitions.stop());
    await p.time.settle(logDirectories.shutdown());
  };
  return { partitions, logDirectories, stop };
}

/** Of one record. */
function append(p: SimulatedPorts, { partitions }: Running, topic: string, partition: number) {
  const nowMs = p.clock.nowMs();
  const batch = buildBatch({ records: [{ key: null, value: Buffer.from('v'), timestamp: nowMs }] });
  const options = { acks: -1, origin: 'client', nowMs } as const;
  const { errorCode, baseOffset } = partitions.get(topic, partition)!.append(batch, options);
  return [errorCode, baseOffset];
}

/** Two directories, of which `/a` can be taken away. */
function twoDirectories(): { p: SimulatedPorts; away: { is: boolean } } {
  const away = { is: false };
  const p = simulatedPorts({
    seed: 1,
    disk: {
      fault: ({ kind, path }) =>
        away.is && (kind === 'open' || kind === 'sync') && path.startsWith('/a/') ? 'EACCES' : undefined,
    },
  });
  return { p, away };
}

test('replicas of a directory that has failed at the start are offline until it is back, not made anew', async () => {
  const { p, away } = twoDirectories();
  const image = new ClusterImage();
  putTopic(image, 't', 'I'.repeat(16), 2);
  let running = await start(p, image);
  const inA = [0, 1].find((partition) => running.partitions.get('t', partition)!.log!.directory === '/a')!;
  const inB = 1 - inA;
  assert.equal(running.partitions.get('t', inB)!.log!.directory, '/b');
  for (let offset = 0; offset < 5; offset++) {
    for (const partition of [inA, inB]) {
      assert.deepEqual(append(p, running, 't', partition), [Errors.NONE, offset]);
    }
  }
  await running.stop();

  away.is = true;
  running = await start(p, image);
  const lost = running.partitions.get('t', inA)!;
  assert.equal(lost.log, undefined);
  assert.equal(lost.check(-1), Errors.KAFKA_STORAGE_ERROR);
  assert.deepEqual(append(p, running, 't', inA), [Errors.KAFKA_STORAGE_ERROR, -1]);
  assert.equal(p.disk.stat(`/b/t-${inA}`), undefined);
  assert.deepEqual(append(p, running, 't', inB), [Errors.NONE, 5]);
  // A topic that is made now was never in the failed directory.
  putTopic(image, 'new', 'N'.repeat(16), 1);
  assert.equal(running.partitions.get('new', 0)!.log?.directory, '/b');
  assert.deepEqual(append(p, running, 'new', 0), [Errors.NONE, 0]);
  await running.stop();

  away.is = false;
  running = await start(p, image);
  const back = running.partitions.get('t', inA)!;
  assert.deepEqual([back.log?.directory, back.logEndOffset, back.highWatermark], ['/a', 5, 5]);
  assert.deepEqual(append(p, running, 't', inA), [Errors.NONE, 5]);
  assert.deepEqual(append(p, running, 't', inB), [Errors.NONE, 6]);
  await running.stop();
});

test('the old log of a topic made again while its directory was away is removed, the new one stays', async () => {
  const { p, away } = twoDirectories();
  const image = new ClusterImage();
  putTopic(image, 't', 'I'.repeat(16), 1);
  let running = await start(p, image);
  assert.equal(running.partitions.get('t', 0)!.log!.directory, '/a');
  for (let offset = 0; offset < 5; offset++) {
    assert.deepEqual(append(p, running, 't', 0), [Errors.NONE, offset]);
  }
  await running.stop();

  away.is = true;
  running = await start(p, image);
  deleteTopic(image, 't');
  putTopic(image, 't', 'J'.repeat(16), 1);
  assert.deepEqual(append(p, running, 't', 0), [Errors.NONE, 0]);
  await running.stop();

  away.is = false;
  running = await start(p, image);
  const kept = running.partitions.get('t', 0)!;
  assert.deepEqual([kept.log?.directory, kept.log?.topicId, kept.logEndOffset], ['/b', 'J'.repeat(16), 1]);
  assert.deepEqual(append(p, running, 't', 0), [Errors.NONE, 1]);
  assert.equal(p.disk.stat('/a/t-0'), undefined);
  await running.stop();
});

test('whoever follows leadership hears of no partition without a log, and is told when a directory fails', async () => {
  const { p, away } = twoDirectories();
  const image = new ClusterImage();
  putTopic(image, 't', 'I'.repeat(16), 2);
  let running = await start(p, image);
  const heard: string[] = [];
  const listen = (): void => {
    heard.length = 0;
    running.partitions.onLeadership({
      onElected: ({ partition }) => heard.push(`elected ${partition}`),
      onResigned: ({ partition }) => heard.push(`resigned ${partition}`),
    });
  };
  listen();
  const inA = [0, 1].find((partition) => running.partitions.get('t', partition)!.log!.directory === '/a')!;
  assert.deepEqual(heard, ['elected 0', 'elected 1']);
  await running.stop();

  away.is = true;
  running = await start(p, image);
  listen();
  assert.deepEqual(heard, [`elected ${1 - inA}`]);
  putTopic(image, 'new', 'N'.repeat(16), 1);
  assert.deepEqual(heard, [`elected ${1 - inA}`, 'elected 0']);
  await running.stop();

  away.is = false;
  running = await start(p, image);
  listen();
  assert.deepEqual(heard, ['elected 0', 'elected 1', 'elected 0']);
  heard.length = 0;
  away.is = true;
  append(p, running, 't', inA);
  await p.time.advance(100);
  assert.deepEqual(heard, [`resigned ${inA}`]);
  await running.stop();
});

test('G10: a damaged replica begins anew as soon as nobody counts on it, and no sooner', async () => {
  const { p } = twoDirectories();
  const image = new ClusterImage();
  const topicId = 'I'.repeat(16);
  putTopic(image, 't', topicId, 1);
  let running = await start(p, image);
  for (let offset = 0; offset < 5; offset++) append(p, running, 't', 0);
  const { folder } = running.partitions.get('t', 0)!.log!;
  await running.stop();
  const file = p.disk.open(`${folder}/00000000000000000000.log`, 'write');
  file.truncate(100);
  file.close();

  const other = NODE_ID + 1;
  running = await start(p, image);
  const log = () => running.partitions.get('t', 0)!.log;
  assert.equal(log(), undefined);
  putPartition(image, topicId, { leader: other, isr: [other], elr: [NODE_ID] });
  assert.equal(log(), undefined);
  putPartition(image, topicId, { leader: -1, isr: [other], elr: [] });
  assert.equal(log(), undefined);
  assert.ok(p.disk.stat(folder)?.isDirectory);
  const gone: string[] = [];
  running.partitions.onReplicas({
    onReplica: (partition) => void gone.push(`here, to offset ${partition.log?.logEndOffset}`),
    onReplicaGone: () => void gone.push('gone'),
  });
  putPartition(image, topicId, { leader: other, isr: [other], elr: [] });
  assert.equal(log()?.logEndOffset, 0);
  assert.deepEqual(gone, ['here, to offset undefined', 'gone', 'here, to offset 0']);
  await running.stop();
});

test('G10: a replica that turns out to be damaged is used no more, and made anew once another leads', async () => {
  const { p } = twoDirectories();
  const image = new ClusterImage();
  const topicId = 'I'.repeat(16);
  putTopic(image, 't', topicId, 1);
  let running = await start(p, image);
  for (let offset = 0; offset < 5; offset++) append(p, running, 't', 0);
  const { folder } = running.partitions.get('t', 0)!.log!;
  await running.stop();
  p.disk.corrupt(`${folder}/00000000000000000000.log`, 100, Buffer.from('x'));

  running = await start(p, image);
  const heard: string[] = [];
  running.partitions.onLoss = () => void heard.push('loss');
  running.partitions.onLeadership({
    onElected: () => void heard.push('elected'),
    onResigned: () => void heard.push('resigned'),
  });
  running.logDirectories.startAudit();
  await p.time.advance(10_000);
  assert.deepEqual(heard, ['elected', 'resigned', 'loss']);
  assert.deepEqual(append(p, running, 't', 0), [Errors.KAFKA_STORAGE_ERROR, -1]);
  const other = NODE_ID + 1;
  putPartition(image, topicId, { leader: other, isr: [other], elr: [] });
  assert.equal(running.partitions.get('t', 0)!.log?.logEndOffset, 0);
  await running.stop();
});

test('a log whose partition.metadata is gone, or makes no sense, is still that of the partition', async () => {
  for (const spoil of [
    (p: SimulatedPorts, path: string) => p.disk.remove(path),
    (p: SimulatedPorts, path: string) => {
      const file = p.disk.open(path, 'write');
      file.truncate(0);
      file.close();
    },
    (p: SimulatedPorts, path: string) => p.disk.corrupt(path, 0, Buffer.from('x')),
  ]) {
    const { p } = twoDirectories();
    const image = new ClusterImage();
    putTopic(image, 't', 'I'.repeat(16), 2);
    let running = await start(p, image);
    for (let offset = 0; offset < 5; offset++) append(p, running, 't', 0);
    const folders = [0, 1].map((partition) => running.partitions.get('t', partition)!.log!.folder);
    await running.stop();
    for (const folder of folders) spoil(p, `${folder}/partition.metadata`);

    running = await start(p, image);
    assert.deepEqual(append(p, running, 't', 0), [Errors.NONE, 5]);
    assert.deepEqual(append(p, running, 't', 1), [Errors.NONE, 0]);
    // A cluster cannot be sure that it is not the log of another topic of that name.
    assert.equal(running.logDirectories.hasLost({ topic: 't', partition: 0 }), true);
    assert.equal(running.logDirectories.hasLost({ topic: 't', partition: 1 }), false);
    await running.stop();
    running = await start(p, image);
    assert.equal(running.logDirectories.hasLost({ topic: 't', partition: 0 }), false);
    await running.stop();
  }
});

test('a partition that a full disk could not take is made once there is room, wherever that has failed', async () => {
  for (let allowed = 0; allowed < 6; allowed++) {
    let left = Infinity;
    const isRefused = (kind: string): boolean =>
      (kind === 'open' || kind === 'write' || kind === 'makeDirectory') && left-- <= 0;
    const p = simulatedPorts({
      seed: 1,
      disk: { fault: ({ kind }) => (isRefused(kind) ? 'ENOSPC' : undefined) },
    });
    const image = new ClusterImage();
    const running = await start(p, image);
    left = allowed;
    putTopic(image, 't', 'T'.repeat(16), 1);
    const held = (): string => (running.partitions.get('t', 0)?.log === undefined ? 'no log' : 'a log');
    const before = held();
    if (before === 'no log') assert.equal(append(p, running, 't', 0)[0], Errors.KAFKA_STORAGE_ERROR);
    await p.time.advance(6_000);
    assert.equal(held(), before);
    left = Infinity;
    await p.time.advance(6_000);
    assert.deepEqual(append(p, running, 't', 0), [Errors.NONE, 0]);
    await running.stop();
    assert.ok(allowed > 0 || before === 'no log');
  }
});
