// The work that every foreign client does, written once: topics and their configs, records of every shape, every codec in
// both directions, large records, groups whose members come and go, time queries, replays and committed offsets. A second
// client of another family reads what the first has written and the reverse, so that no fault cancels itself out.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type {
  CommittedOffset,
  Compression,
  JoinOptions,
  Lack,
  Member,
  Peer,
  ReadRecord,
  SentRecord,
} from './peer.ts';
import { startTarget, TARGET, type Target } from './target.ts';
import { until } from './until.ts';

const CODECS: Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const LARGE_RECORD_BYTES = 900 * 1024;
const TOO_LARGE_RECORD_BYTES = 1_100_000;
const FIRST_TIMESTAMP = 1_700_000_000_000;
const GROUP_PARTITIONS = 6;
const GROUP_WAVE = 300;

export interface ScenarioPeer {
  name: string;
  /** why the peer cannot be had, when it cannot */
  skip?: string | undefined;
  start: (bootstrap: string) => Promise<Peer>;
  /** a client of another family */
  observe: (bootstrap: string) => Promise<Peer>;
  /** what the library does not have; the scenario leaves it out, by name */
  lacks?: Lack[];
  /** ways to join a group beyond the library's default */
  styles?: JoinOptions[];
  /** broker settings */
  settings?: Record<string, string>;
}

/** Declares the tests of one client. */
export function scenario({
  name,
  skip,
  start,
  observe,
  lacks = [],
  styles = [],
  settings = {},
}: ScenarioPeer): void {
  const has = (...needed: Lack[]): boolean => needed.every((lack) => !lacks.includes(lack));
  const cleanHandover = has('cleanHandover');
  const lacking = lacks.length === 0 ? '' : ` (lacks ${lacks.join(', ')})`;

  describe(`${name}${lacking}`, { skip: skip ?? false }, () => {
    let target: Target;
    let peer: Peer;
    let observer: Peer;
    let topicCount = 0;

    before(async () => {
      target = await startTarget({ settings });
      peer = await start(target.bootstrap);
      observer = await observe(target.bootstrap);
    });
    after(async () => {
      await peer?.close();
      await observer?.close();
      await target?.discard();
    });

    const newTopic = async (partitions = 1, configs: Record<string, string> = {}): Promise<string> => {
      topicCount += 1;
      const topic = `work-${topicCount}`;
      await observer.createTopic(topic, partitions, configs);
      await settled(observer, topic);
      return topic;
    };

    if (has('createTopic', 'deleteTopic', 'topics')) {
      test('a topic is created, listed, described and deleted', async () => {
        await peer.createTopic('made', 3, {});
        await until('the topic is listed', async () => (await peer.topics()).includes('made'));
        assert.equal(await peer.partitionCount('made'), 3);
        await peer.deleteTopic('made');
        await until('the topic is gone', async () => !(await peer.topics()).includes('made'));
      });
    }

    if (has('createTopic', 'topicConfigs', 'alterTopicConfig')) {
      test('configs given at creation are described, and altered ones replace them', async () => {
        await peer.createTopic('configured', 1, { 'cleanup.policy': 'compact', 'retention.ms': '86400001' });
        await settled(peer, 'configured');
        const created = await until('the configs are described', async () => {
          const configs = await peer.topicConfigs('configured');
          return configs['cleanup.policy'] === undefined ? undefined : configs;
        });
        assert.equal(created['cleanup.policy'], 'compact');
        assert.equal(created['retention.ms'], '86400001');
        assert.equal(created['max.message.bytes'], '1048588');
        await peer.alterTopicConfig('configured', 'retention.ms', '7200000');
        const seen: string[] = [];
        await until(
          'the new value is described',
          async () => {
            seen.push(String((await peer.topicConfigs('configured'))['retention.ms']));
            return seen.at(-1) === '7200000';
          },
          { seen: () => seen.at(-1) ?? '' },
        );
      });
    }

    if (has('produce')) {
      test('records of every shape are read back, by this client and by another', async () => {
        const topic = await newTopic();
        const sent = recordsOfEveryShape(has);
        await peer.produce(topic, sent);
        const expected = sent.map((record, offset) => ({ ...record, offset }));
        const visible = (records: ReadRecord[]): unknown[] =>
          readable(records, { timestamps: has('timestamps') });
        for (const reader of [observer, peer]) {
          assert.deepEqual(visible(await reader.read(topic, 0, 'earliest', sent.length)), visible(expected));
        }
      });
    }

    for (const codec of CODECS.filter((each) => has('produce', each))) {
      test(`${codec}: batches written by either client are read by both`, async () => {
        const topic = await newTopic(2);
        const own = textRecords({ partition: 0, count: 500, prefix: `own-${codec}` });
        const others = textRecords({ partition: 1, count: 500, prefix: `other-${codec}` });
        await peer.produce(topic, own, { compression: codec });
        await observer.produce(topic, others, { compression: codec });
        for (const reader of [peer, observer]) {
          assert.deepEqual(values(await reader.read(topic, 0, 'earliest', own.length)), values(own));
          assert.deepEqual(values(await reader.read(topic, 1, 'earliest', others.length)), values(others));
        }
      });
    }

    test('records of 900 KB arrive whole', async () => {
      const topic = await newTopic();
      const sent = [1, 2, 3].map((seed) => largeRecord(LARGE_RECORD_BYTES, seed));
      for (const record of sent) await peer.produce(topic, [record]);
      for (const reader of [peer, observer]) {
        const read = await reader.read(topic, 0, 'earliest', sent.length);
        assert.deepEqual(
          read.map((record) => record.value?.equals(sent[record.offset]!.value!)),
          [true, true, true],
        );
      }
    });

    test('a record above max.message.bytes is refused, and the next one is not', async () => {
      const topic = await newTopic(1, { 'max.message.bytes': '500000' });
      await assert.rejects(
        peer.produce(topic, [largeRecord(TOO_LARGE_RECORD_BYTES - 200_000, 1)]),
        /large|size|10\b/i,
      );
      await peer.produce(topic, textRecords({ count: 1, prefix: 'small' }));
      assert.deepEqual(values(await peer.read(topic, 0, 'earliest', 1)), ['small-0']);
    });

    if (has('offsetAt')) {
      test('a time finds the first record at or after it', async () => {
        const topic = await newTopic();
        await observer.produce(topic, textRecords({ count: 100, prefix: 'timed' }), { compression: 'gzip' });
        assert.equal(await peer.offsetAt(topic, 0, FIRST_TIMESTAMP + 40_000), 40);
        assert.equal(await peer.offsetAt(topic, 0, FIRST_TIMESTAMP + 40_001), 41);
        assert.equal(await peer.offsetAt(topic, 0, 0), 0);
        const read = await peer.read(topic, 0, { timestamp: FIRST_TIMESTAMP + 89_500 }, 10);
        assert.deepEqual(
          read.map((record) => record.offset),
          [90, 91, 92, 93, 94, 95, 96, 97, 98, 99],
        );
      });
    }

    test('a topic is replayed from its start and from the middle as often as one likes', async () => {
      const topic = await newTopic();
      const sent = textRecords({ count: 1_000, prefix: 'again' });
      await peer.produce(topic, sent);
      for (let round = 0; round < 2; round += 1) {
        assert.deepEqual(values(await peer.read(topic, 0, 'earliest', sent.length)), values(sent));
      }
      assert.deepEqual(values(await peer.read(topic, 0, 990, 10)), values(sent.slice(990)));
    });

    if (has('commit', 'committed')) {
      test('committed offsets and their metadata are kept for the group', async () => {
        const topic = await newTopic(2);
        const sent = [0, 1].flatMap((partition) => textRecords({ partition, count: 10, prefix: 'kept' }));
        await observer.produce(topic, sent);
        const metadata = has('commitMetadata') ? 'half way' : '';
        await peer.commit('keeper', topic, [
          { partition: 0, offset: 5, metadata },
          { partition: 1, offset: 7, metadata },
        ]);
        const kept = [
          { partition: 0, offset: 5, metadata },
          { partition: 1, offset: 7, metadata },
        ];
        assert.deepEqual(withoutNul(await peer.committed('keeper', topic)), kept);
        assert.deepEqual(withoutNul(await observer.committed('keeper', topic)), kept);
        assert.deepEqual(await peer.committed('nobody', topic), []);
      });
    }

    if (has('join')) {
      test('members join and leave a group; every record is consumed once and the offsets are committed', async () => {
        const topic = await newTopic(GROUP_PARTITIONS);
        await workInGroup({ peer, observer, topic, group: 'team', cleanHandover });
      });

      for (const style of styles) {
        const named = Object.entries(style)
          .map((pair) => pair.join(' '))
          .join(', ');
        test(`members join and leave a group (${named})`, async () => {
          const topic = await newTopic(GROUP_PARTITIONS);
          const group = `team-${named.replaceAll(/\W+/g, '-')}`;
          await workInGroup({ peer, observer, topic, group, style, cleanHandover });
        });
      }
    }
  });
}

/** Kafka answers CreateTopics before its own metadata show the topic; Headrace shows what it has answered. */
async function settled(peer: Peer, topic: string): Promise<void> {
  if (TARGET !== 'kafka') return;
  await until('the topic is listed', async () => (await peer.topics()).includes(topic), { intervalMs: 20 });
}

/** Three members come, one goes, and a newcomer resumes from the committed offsets. */
async function workInGroup({
  peer,
  observer,
  topic,
  group,
  style,
  cleanHandover,
}: {
  peer: Peer;
  observer: Peer;
  topic: string;
  group: string;
  style?: JoinOptions;
  cleanHandover: boolean;
}): Promise<void> {
  const enter = (): Promise<Member> => peer.join(group, topic, style);
  const sent: string[] = [];
  const send = async (wave: number): Promise<void> => {
    const records: SentRecord[] = [];
    for (let partition = 0; partition < GROUP_PARTITIONS; partition += 1) {
      const prefix = `wave${wave}-p${partition}`;
      records.push(...textRecords({ partition, count: GROUP_WAVE / GROUP_PARTITIONS, prefix }));
    }
    await observer.produce(topic, records);
    sent.push(...values(records));
  };
  const members: Member[] = [];
  const consumed = async (): Promise<string[]> =>
    (await Promise.all(members.map((member) => member.taken()))).flat().map((record) => record.value);
  const caughtUp = async (): Promise<void> => {
    let missing = '';
    await until(
      'everything sent is consumed',
      async () => {
        const got = new Set(await consumed());
        const absent = sent.filter((value) => !got.has(value));
        missing = `${absent.length} missing, first ${absent[0]}`;
        return absent.length === 0;
      },
      { seen: () => missing },
    );
  };

  await send(1);
  members.push(await enter());
  await covers(members.slice());
  await caughtUp();
  members.push(await enter());
  await covers(members.slice());
  await send(2);
  members.push(await enter());
  await covers(members.slice());
  await send(3);
  await caughtUp();
  await members[1]!.leave();
  await covers([members[0]!, members[2]!]);
  await send(4);
  await caughtUp();
  await members[0]!.leave();
  await members[2]!.leave();
  const all = await consumed();
  assert.deepEqual(new Set(all), new Set(sent));
  if (cleanHandover) assert.equal(all.length, sent.length, 'no record is consumed twice');
  const perPartition = sent.length / GROUP_PARTITIONS;
  assert.deepEqual(
    (await observer.committed(group, topic)).map(({ partition, offset }) => [partition, offset]),
    Array.from({ length: GROUP_PARTITIONS }, (_, partition) => [partition, perPartition]),
  );
  members.push(await enter());
  await covers([members[3]!]);
  await send(5);
  await caughtUp();
  assert.deepEqual(
    (await members[3]!.taken()).length,
    GROUP_WAVE,
    'a newcomer starts at the committed offsets',
  );
  await members[3]!.leave();
}

/** Waits until the members share all partitions, each holding at least one and none held twice. */
async function covers(members: Member[]): Promise<void> {
  let held: number[][] = [];
  const wanted = Array.from({ length: GROUP_PARTITIONS }, (_, partition) => partition);
  await until(
    `${members.length} members share ${GROUP_PARTITIONS} partitions`,
    async () => {
      held = await Promise.all(members.map((member) => member.assignment()));
      const flat = held.flat().sort((a, b) => a - b);
      return held.every((each) => each.length > 0) && String(flat) === String(wanted);
    },
    { seen: () => `held: ${JSON.stringify(held)}` },
  );
}

/** `count` records with keys, one second apart from FIRST_TIMESTAMP on. */
export function textRecords({
  partition = 0,
  count,
  prefix,
}: {
  partition?: number;
  count: number;
  prefix: string;
}): SentRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    partition,
    key: Buffer.from(`key-${index}`),
    value: Buffer.from(`${prefix}-${index}`),
    headers: [],
    timestamp: FIRST_TIMESTAMP + index * 1_000,
  }));
}

export function values(records: { value: Buffer | null }[]): string[] {
  return records.map((record) => String(record.value));
}

/** Bytes that no codec can shrink much, from a small generator with a seed. */
export function largeRecord(sizeBytes: number, seed: number): SentRecord {
  const value = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let position = 0; position < sizeBytes; position += 1) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    value[position] = 32 + ((state >>> 16) % 95);
  }
  return { partition: 0, key: Buffer.from('large'), value, headers: [], timestamp: FIRST_TIMESTAMP };
}

/** librdkafka's Python binding commits the metadata with the NUL that ends a C string. */
function withoutNul(offsets: CommittedOffset[]): CommittedOffset[] {
  return offsets.map((each) => ({ ...each, metadata: each.metadata.replace(/\0$/, '') }));
}

function recordsOfEveryShape(has: (...needed: Lack[]) => boolean): SentRecord[] {
  const plain: Omit<SentRecord, 'key' | 'value'> = { partition: 0, headers: [], timestamp: FIRST_TIMESTAMP };
  const text = (value: string): Buffer => Buffer.from(value);
  const records: SentRecord[] = [
    { ...plain, key: text('k'), value: text('v') },
    { ...plain, key: text('schlüssel-鍵'), value: text('wert-値 \u{1f30a}') },
    { ...plain, key: text('gone'), value: null },
  ];
  if (has('emptyBytes')) records.push({ ...plain, key: text(''), value: text('') });
  if (has('nullKey')) {
    records.push({ ...plain, key: null, value: text('no key') });
  }
  if (has('nullKey', 'emptyRecord')) records.push({ ...plain, key: null, value: null });
  if (has('headers')) {
    records.push({
      ...plain,
      key: text('h'),
      value: text('with headers'),
      headers: [
        ['trace', text('abc')],
        ['empty', text(has('emptyBytes') ? '' : ' ')],
        ['ümlaut', text('größe')],
      ],
    });
  }
  if (has('headers', 'nullHeader')) {
    records.push({ ...plain, key: text('n'), value: text('null header'), headers: [['nothing', null]] });
  }
  if (has('timestamps')) {
    records.push({ ...plain, key: text('t'), value: text('later'), timestamp: FIRST_TIMESTAMP + 123_456 });
    records.push({ ...plain, key: text('t'), value: text('earlier'), timestamp: FIRST_TIMESTAMP - 123_456 });
  }
  return records;
}

/** Records as plain literals, so that a difference prints legibly. */
function readable(records: ReadRecord[], { timestamps }: { timestamps: boolean }): unknown[] {
  return records.map((record) => ({
    offset: record.offset,
    key: record.key === null ? null : String(record.key),
    value: record.value === null ? null : String(record.value),
    headers: record.headers.map(([name, value]) => [name, value === null ? null : String(value)]),
    ...(timestamps ? { timestamp: record.timestamp } : {}),
  }));
}
