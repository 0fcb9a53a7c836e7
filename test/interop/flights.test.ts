// Real input: the 231,083 flights and the week of earthquakes of vega-datasets. kcat writes the flights, a group of three
// Java console consumers and @platformatic/kafka read them back byte for byte, the committed offsets are the end offsets,
// and DumpLogSegments accepts what lies on disk.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Admin, Consumer } from '@platformatic/kafka';
import { installKafkaTools } from '../../scripts/peer-java.ts';
import { installKcat } from '../../scripts/peer-kcat.ts';
import { inspectSegments, kafkaTools, type Tools } from './java-tools.ts';
import { kcat, startKcat } from './kcat-peer.ts';
import { obtain, type Peer } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

const PARTITIONS = 6;
const MEMBERS = 3;
const IDLE_MS = 15_000;
const DATA = join(import.meta.dirname, '..', '..', 'node_modules', 'vega-datasets', 'data');

const { installed, skip } = await obtain(async () => ({
  tools: await installKafkaTools(),
  kcat: await installKcat(),
}));

describe('real data', { skip: skip ?? false }, () => {
  let target: Target;
  let observer: Peer;
  let tools: Tools;
  let flights: string[];

  before(async () => {
    target = await startTarget();
    observer = await startPlatformatic(target.bootstrap);
    tools = kafkaTools(installed!.tools);
    const rows = JSON.parse(readFileSync(join(DATA, 'flights-200k.json'), 'utf8')) as unknown[];
    flights = rows.map((row, index) => `${index}\t${JSON.stringify(row)}`);
    await observer.createTopic('flights', PARTITIONS, {});
  });
  after(async () => {
    await observer?.close();
    await target?.discard();
  });

  const endOffsets = async (topic: string): Promise<[number, number][]> => {
    const printed = await tools.tool('get-offsets', [
      '--bootstrap-server',
      target.bootstrap,
      '--topic',
      topic,
    ]);
    return printed
      .trim()
      .split('\n')
      .map((line): [number, number] => {
        const [, partition, offset] = line.split(':');
        return [Number(partition), Number(offset)];
      })
      .sort(([one], [other]) => one - other);
  };
  const committed = async (group: string, topic: string): Promise<[number, number][]> =>
    (await observer.committed(group, topic)).map(({ partition, offset }) => [partition, offset]);

  test('flights written by kcat reach a group of three Java console consumers byte for byte', async () => {
    const consumers = Array.from({ length: MEMBERS }, () =>
      tools.tool('console-consumer', [
        '--bootstrap-server',
        target.bootstrap,
        '--topic',
        'flights',
        '--group',
        'departures',
        '--from-beginning',
        '--timeout-ms',
        String(IDLE_MS),
        '--formatter-property',
        'print.key=true',
      ]),
    );
    await stableGroup(target.bootstrap, 'departures', MEMBERS);
    const input = join(target.dataDir, '..', 'flights.txt');
    writeFileSync(input, `${flights.join('\n')}\n`);
    await kcat(['-b', target.bootstrap, '-P', '-t', 'flights', '-K', '\t', '-X', 'acks=all', '-z', 'lz4'], {
      input,
    });
    const parts = (await Promise.all(consumers)).map((printed) =>
      printed.split('\n').filter((line) => line !== ''),
    );
    assert.ok(
      parts.every((part) => part.length > 0),
      `${parts.map((part) => part.length).join(', ')} lines`,
    );
    assertSameLines(parts.flat(), flights);
    assert.equal(
      (await endOffsets('flights')).reduce((sum, [, end]) => sum + end, 0),
      flights.length,
    );
    assert.deepEqual(await committed('departures', 'flights'), await endOffsets('flights'));
  });

  test('@platformatic/kafka reads the same flights in order, and commits their ends', async () => {
    const consumer = new Consumer({
      clientId: 'flights',
      bootstrapBrokers: [target.bootstrap],
      groupId: 'arrivals',
      autocommit: false,
    });
    const stream = await consumer.consume({
      topics: ['flights'],
      mode: 'earliest',
      maxWaitTime: 100,
      highWaterMark: 10_000,
    });
    const lines: string[] = [];
    const ends = new Map<number, bigint>();
    const last = new Map<number, number>();
    for await (const { key, value, partition, offset } of stream) {
      const number = Number(String(key));
      assert.ok(
        number > (last.get(partition) ?? -1),
        `${number} comes after ${last.get(partition)} on ${partition}`,
      );
      assert.equal(offset, ends.get(partition) ?? 0n);
      last.set(partition, number);
      ends.set(partition, offset + 1n);
      lines.push(`${String(key)}\t${String(value)}`);
      if (lines.length === flights.length) break;
    }
    const offsets = [...ends].map(([partition, offset]) => ({
      topic: 'flights',
      partition,
      offset,
      leaderEpoch: 0,
    }));
    await consumer.commit({ offsets });
    await consumer.close(true);
    assertSameLines(lines, flights);
    assert.deepEqual(await committed('arrivals', 'flights'), await endOffsets('flights'));
  });

  test('earthquakes with keys and headers, written by @platformatic/kafka with zstd, are read by kcat', async () => {
    const { features } = JSON.parse(readFileSync(join(DATA, 'earthquakes.json'), 'utf8')) as {
      features: { id: string; properties: { place: string; time: number } }[];
    };
    await observer.createTopic('earthquakes', 1, {});
    const sent = features.map((feature) => ({
      partition: 0,
      key: Buffer.from(feature.id),
      value: Buffer.from(JSON.stringify(feature)),
      headers: [['place', Buffer.from(feature.properties.place)]] as [string, Buffer][],
      timestamp: feature.properties.time,
    }));
    await observer.produce('earthquakes', sent, { compression: 'zstd' });
    const reader = await startKcat(target.bootstrap);
    const read = await reader.read('earthquakes', 0, 'earliest', sent.length);
    await reader.close();
    assert.deepEqual(
      read,
      sent.map((record, offset) => ({ ...record, offset })),
    );
    const times = sent.map((record) => record.timestamp);
    const middle = times[800]!;
    const expected = times.findIndex((time) => time >= middle);
    assert.equal(await observer.offsetAt('earthquakes', 0, middle), expected);
  });

  test('DumpLogSegments accepts every file once the broker has stopped', async () => {
    await target.stop();
    const { faults, records } = await inspectSegments(tools, target.dataDir);
    assert.deepEqual(faults, []);
    assert.ok(records > flights.length, `${records} records`);
  });
});

/** Compares as multisets, and says at which line they differ rather than printing both. */
function assertSameLines(actual: string[], expected: string[]): void {
  assert.equal(actual.length, expected.length);
  const numbered = (line: string): number => Number(line.slice(0, line.indexOf('\t')));
  const sorted = actual.slice().sort((one, other) => numbered(one) - numbered(other));
  const different = expected.findIndex((line, index) => line !== sorted[index]);
  assert.equal(different, -1, `line ${different}: ${sorted[different]} instead of ${expected[different]}`);
}

async function stableGroup(bootstrap: string, group: string, size: number): Promise<void> {
  const admin = new Admin({ clientId: 'group-watch', bootstrapBrokers: [bootstrap] });
  let seen = '';
  await until(
    `${group} is stable with ${size} members`,
    async () => {
      const described = await admin.describeGroups({ groups: [group] }).then(
        (groups) => groups.get(group),
        () => undefined,
      );
      seen = `${described?.state} ${described?.members.size}`;
      return seen.toUpperCase() === `STABLE ${size}`;
    },
    { seen: () => seen },
  );
  await admin.close();
}
