import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatOffsetCheckpoint,
  parentOf,
  parseCheckpoint,
  readOffsetCheckpoint,
  replaceFileNow,
} from './checkpoint-file.ts';
import {
  formatCleanShutdown,
  formatMetaProperties,
  formatPartitionMetadata,
  parseCleanShutdown,
  parseMetaProperties,
  parsePartitionMetadata,
} from './directory-files.ts';
import * as names from './file-names.ts';
import { memoryDisk } from '../runtime/memory-disk.ts';
import { parseUuid, ZERO_UUID } from '../base/uuid.ts';

const ID = parseUuid('qFGN_zSgTl-2ijTDaXNW0g')!;

test('meta.properties is Java properties with comments, any order and escapes', () => {
  const content = formatMetaProperties({ clusterId: 'MkU3OEVBNTcwNTJENDM2Qg', nodeId: 7, directoryId: ID });
  assert.equal(
    content.toString(),
    '#\nversion=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=7\ndirectory.id=qFGN_zSgTl-2ijTDaXNW0g\n',
  );
  assert.deepEqual(parseMetaProperties(content), {
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    nodeId: 7,
    directoryId: ID,
  });
  const kafkas = '#Sun Nov 22\r\nnode.id=3\r\nother=x\r\ncluster.id=a\\=b\r\nversion=1\r\n';
  assert.deepEqual(parseMetaProperties(Buffer.from(kafkas)), {
    clusterId: 'a=b',
    nodeId: 3,
    directoryId: ZERO_UUID,
  });
  for (const bad of ['', 'cluster.id=x\n', 'cluster.id=x\nnode.id=one\n', '\0\0\0']) {
    assert.equal(parseMetaProperties(Buffer.from(bad)), undefined, bad);
  }
});

test('partition.metadata holds the topic id, and nothing else passes for it', () => {
  const content = formatPartitionMetadata(ID);
  assert.equal(content.toString(), 'version: 0\ntopic_id: qFGN_zSgTl-2ijTDaXNW0g');
  assert.equal(parsePartitionMetadata(content), ID);
  for (let size = 0; size < content.length; size++) {
    assert.equal(parsePartitionMetadata(content.subarray(0, size)), undefined);
  }
  assert.equal(
    parsePartitionMetadata(Buffer.from('version: 1\ntopic_id: qFGN_zSgTl-2ijTDaXNW0g')),
    undefined,
  );
});

test('the mark of a clean shutdown is JSON that Kafka reads, and what is not ours in it is passed over', () => {
  const log = { end: 12, segments: [0, 10], size: 345, producers: false, crc: { epochs: 2 ** 32 - 1 } };
  const logs = new Map([['t-0', log]]);
  const content = formatCleanShutdown(5, logs);
  assert.equal(
    content.toString(),
    '{"version":0,"brokerEpoch":5,"logs":{"t-0":{"end":12,"segments":[0,10],"size":345,' +
      '"producers":false,"crc":{"epochs":4294967295}}}}',
  );
  assert.deepEqual(parseCleanShutdown(content), { brokerEpoch: 5, logs });
  assert.deepEqual(parseCleanShutdown(Buffer.from('{"version":0,"brokerEpoch":9}')), {
    brokerEpoch: 9,
    logs: undefined,
  });
  for (const bad of ['', 'null', '[]', '"x"', '{"logs":3}']) {
    assert.deepEqual(parseCleanShutdown(Buffer.from(bad)), { brokerEpoch: -1, logs: undefined }, bad);
  }
  const odd =
    '{"logs":{"a-0":{"end":-1,"segments":[],"size":0},"b-0":null,"c-0":{"end":1,"segments":["x"],"size":1}}}';
  assert.deepEqual(parseCleanShutdown(Buffer.from(odd)).logs, new Map());
  const sparse = '{"logs":{"a-0":{"end":0,"segments":[0],"size":0,"crc":{"index":"x"}}}}';
  assert.deepEqual(
    parseCleanShutdown(Buffer.from(sparse)).logs,
    new Map([['a-0', { end: 0, segments: [0], size: 0, producers: true, crc: { index: -1 } }]]),
  );
});

test('an offset checkpoint is replaced as a whole and read by folder name', () => {
  const disk = memoryDisk({ clock: { nowMs: () => 0, monotonicMs: () => 0 } });
  disk.makeDirectory('/d');
  assert.deepEqual(readOffsetCheckpoint(disk, '/d/c'), new Map());
  const content = formatOffsetCheckpoint([
    { topic: 'a.b', partition: 0, offset: 5 },
    { topic: 'c', partition: 12, offset: 2 ** 52 },
  ]);
  assert.equal(content.toString(), '0\n2\na.b 0 5\nc 12 4503599627370496\n');
  replaceFileNow(
    disk,
    '/d/c',
    Buffer.from('a longer content that was here before, and must not shine through\n'),
  );
  replaceFileNow(disk, '/d/c', content);
  assert.deepEqual(
    [...readOffsetCheckpoint(disk, '/d/c')],
    [
      ['a.b-0', 5],
      ['c-12', 2 ** 52],
    ],
  );
  assert.deepEqual(disk.list('/d'), ['c']);
  for (const bad of ['', '1\n0\n', '0\n1\n', '0\n1\na 0\n', '0\n-1\n', '0\n0\nx 0 1\n', '0\nx\n']) {
    assert.throws(() => parseCheckpoint('c', Buffer.from(bad), 3), /c: /, JSON.stringify(bad));
  }
});

test("file and folder names are Kafka's, and others belong to somebody else", () => {
  assert.equal(names.segmentFileName(123, '.log'), '00000000000000000123.log');
  assert.deepEqual(names.parseSegmentFileName('00000000000000000123.index.deleted'), {
    offset: 123,
    suffix: '.index',
    mark: '.deleted',
  });
  for (const other of [
    '123.log',
    '00000000000000000123',
    '99999999999999999999.log',
    'x00000000000000000123.log',
  ]) {
    assert.equal(names.parseSegmentFileName(other), undefined, other);
  }
  const unique = 'ab'.repeat(16);
  const of = { topic: 'my-topic-1', partition: 7 };
  assert.deepEqual(names.parsePartitionFolder('my-topic-1-7'), { ...of, mark: undefined });
  const marked = names.markedFolderName(of, unique, 'future');
  assert.equal(marked, `my-topic-1-7.${unique}-future`);
  assert.deepEqual(names.parsePartitionFolder(marked), { ...of, mark: 'future' });
  assert.equal(
    names.markedFolderName({ topic: 'x'.repeat(249), partition: 0 }, unique, 'delete').length,
    255,
  );
  for (const other of ['topic', 'topic-', '-1', 'topic-01', 'topic-99999999999', 'lost+found-1', 'a b-1']) {
    assert.equal(names.parsePartitionFolder(other), undefined, other);
  }
  assert.deepEqual(['/a/b', '/a', 'a/b', 'a', 'C:\\d\\e'].map(parentOf), ['/a', '/', 'a', '.', 'C:\\d']);
});
