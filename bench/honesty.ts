/**
 * Whether the suite's own load generator can be believed: Kafka's own tools on the same brokers, next to it, and what each side
 * says it sent against what the log holds and what the other side reads.
 */
import assert from 'node:assert/strict';
import { startConsumers } from './lib/load/consumers.ts';
import { sampleValues } from './lib/load/frames.ts';
import { javaConsume, javaProduce, javaValues, TOOLS_TEXT } from './lib/load/java-tools.ts';
import { measure } from './lib/load/measure.ts';
import {
  BASE_LOAD,
  finish,
  freshTopic,
  limits,
  limitsText,
  removeTopic,
  startProducers,
  withSides,
  type ProduceLoad,
} from './lib/load/sides.ts';
import { createTopics, endOffsets, REMOVE_SOON } from './lib/topics.ts';
import { KINDS, row, type BySide, type Context, type Question } from './lib/question.ts';
import { describe, type Server } from './lib/servers.ts';

/** One connection, as the Java tools have one. */
const LOAD: ProduceLoad = { ...BASE_LOAD, clients: 1 };
const { partitions, valueBytes } = LOAD;
const JAVA_RECORDS = { full: 600_000, quick: 60_000 };
/** Of these, how many warm up the tool's own JVM. */
const JAVA_WARM_UP_PART = 1 / 3;
/** What our generator writes for the Java consumer to count. */
const OWN_BYTES_MAX = 0.5e9;
/** Each frame of the generator twice: the values repeat, in order. */
const VALUES_COMPARED = 2;
const MEGABYTE = 1e6;
const GIGABYTE = 1e9;

/** Rates in MB/s and processor time in s/GB are of the values alone, which both kinds of clients count the same. */
interface Sample {
  readonly javaProduced: number;
  readonly javaProducedCpu: number;
  readonly javaConsumed: number;
  readonly ownProduced: number;
  readonly ownProducedCpu: number;
  readonly ownConsumed: number;
  readonly recordsSentByUs: number;
  readonly recordsReadByJava: number;
  readonly valuesCompared: number;
}

export const question: Question = {
  name: 'honesty',
  title: 'Is the load generator honest?',
  asks:
    'All throughput on this page comes from a load generator that belongs to Headrace. So here are the tools that come with ' +
    'Kafka on the same brokers, beside it. They do more for each record and so are slower; what must agree is who is ahead, ' +
    'the records that were sent, stored and read, and their bytes.',
  minutes: 6,
  answers: [
    {
      says: 'takes in',
      where: "with Kafka's own Java producer",
      table: 'Rates with either client',
      row: 'produce, Java',
    },
    {
      says: 'takes in',
      where: 'with our generator',
      table: 'Rates with either client',
      row: 'produce, our generator',
    },
  ],
  async run(context) {
    return withSides(context, { durability: 'relaxed' }, async (sides) => {
      const samples = await context.alternate((kind, round) => sample(sides[kind], context, round));
      return { settings: settings(context), tables: tables(samples) };
    });
  },
};

async function sample(server: Server, context: Context, round: number): Promise<Sample> {
  const java = await withJavaProducer(server, context, round);
  const own = await withOwnProducer(server, context, round);
  const valuesCompared = await compareValues(server, context);
  context.log(
    `${server.kind}: Java ${java.javaProduced.toFixed(0)} in ${java.javaConsumed.toFixed(0)} out, ` +
      `own ${own.ownProduced.toFixed(0)} in ${java.ownConsumed.toFixed(0)} out, MB/s`,
  );
  return { ...java, ...own, valuesCompared };
}

/** The Java producer writes; the Java consumer and ours read. */
async function withJavaProducer(server: Server, context: Context, round: number) {
  const topic = freshTopic();
  await createTopics(server.port, [{ topic, partitions }]);
  const records = context.quick ? JAVA_RECORDS.quick : JAVA_RECORDS.full;
  const warmUpRecords = Math.round(records * JAVA_WARM_UP_PART);
  const before = server.usage().cpuSeconds;
  const javaProduced = await javaProduce(server, { topic, records, warmUpRecords, valueBytes });
  const cpuSeconds = server.usage().cpuSeconds - before;
  const ends = await endOffsets(server, topic, partitions);
  assert.equal(sum(ends), records, 'records in the log, of those that the Java producer sent');
  const consumed = await javaConsume(server, topic, records);
  assert.equal(consumed.records, records, 'records read by the Java consumer, of those in the log');

  const once = await startConsumers(server, 1, { topic, endOffsets: ends, atEnd: 'done' });
  const through = await once.done;
  await once.stop();
  assert.equal(through.records, records, 'records read by our consumer, of those in the log');
  const again = await startConsumers(server, 1, { topic, endOffsets: ends, atEnd: 'again' });
  const window = await measure(again, server, { ...limits(context, round), bytesMax: Infinity });
  await again.stop();
  await removeTopic(server, topic, context);
  return {
    javaProduced,
    javaProducedCpu: cpuSeconds / ((records * valueBytes) / GIGABYTE),
    javaConsumed: consumed.megabytesPerSecond,
    ownConsumed: (window.recordsPerSecond * valueBytes) / MEGABYTE,
  };
}

/** Our producer writes; the log and the Java consumer must agree with what it counted. */
async function withOwnProducer(server: Server, context: Context, round: number) {
  const topic = freshTopic();
  await createTopics(server.port, [{ topic, partitions }]);
  const producers = await startProducers(server, topic, LOAD);
  const window = await measure(producers, server, { ...limits(context, round), bytesMax: OWN_BYTES_MAX });
  const { ends } = await finish(server, producers, { topic, partitions });
  const recordsSentByUs = sum(ends);
  const { records: recordsReadByJava } = await javaConsume(server, topic, recordsSentByUs);
  assert.equal(
    recordsReadByJava,
    recordsSentByUs,
    'records read by the Java consumer, of those that we sent',
  );
  await removeTopic(server, topic, context);
  const bytesPerSecond = window.recordsPerSecond * valueBytes;
  return {
    ownProduced: bytesPerSecond / MEGABYTE,
    ownProducedCpu: (window.brokerCores / bytesPerSecond) * GIGABYTE,
    recordsSentByUs,
    recordsReadByJava,
  };
}

/** What the Java console consumer prints must be, byte for byte, what our generator was told to send; how many values. */
async function compareValues(server: Server, context: Context): Promise<number> {
  const topic = freshTopic();
  await createTopics(server.port, [{ topic, partitions: 1 }]);
  const load = { ...LOAD, partitions: 1 };
  const producers = await startProducers(server, topic, load);
  const expected = Array.from({ length: VALUES_COMPARED }, () =>
    sampleValues({ ...load, topic, seed: 1 }),
  ).flat();
  while ((await producers.counters()).records < expected.length);
  await finish(server, producers, { topic, partitions: 1 });
  assert.deepEqual(await javaValues(server, topic, expected.length), expected);
  await removeTopic(server, topic, context);
  return expected.length;
}

function settings(context: Context): string[] {
  return [
    '1 KiB values, 16 partitions, one connection, acks=all, uncompressed, batches of 16 KiB, 5 requests in flight, no ' +
      'idempotence; everything else as the Java clients have it by default. MB and GB of this section are bytes of values.',
    `Java: ${TOOLS_TEXT}, \`kafka-producer-perf-test\` (random values) with a third of its records as warm-up and ` +
      '`kafka-consumer-perf-test`, whose rate is without the time in which its group forms.',
    'In each round and on each broker it was checked, and would have failed the run: the log holds as many records as the Java ' +
      'producer sent, and as our generator says were acknowledged; both consumers read as many as the log holds; what the Java ' +
      'console consumer prints is byte for byte what our generator was told to send.',
    limitsText(context),
    ...KINDS.map((kind) => describe(kind, { durability: 'relaxed', settings: REMOVE_SOON })),
  ];
}

function tables(samples: BySide<Sample>) {
  const rate = { unit: 'MB/s', better: 'higher' } as const;
  const cost = { unit: 's/GB', better: 'lower' } as const;
  const count = { unit: 'records', better: 'higher' } as const;
  return [
    {
      title: 'Rates with either client',
      rows: [
        row(samples, (one) => one.javaProduced, { ...rate, label: 'produce, Java' }),
        row(samples, (one) => one.ownProduced, { ...rate, label: 'produce, our generator' }),
        row(samples, (one) => one.javaConsumed, { ...rate, label: 'consume, Java' }),
        row(samples, (one) => one.ownConsumed, { ...rate, label: 'consume, our generator' }),
      ],
    },
    {
      title: "Broker's processor time for a gigabyte produced",
      text:
        'With the Java producer, counted from its start to its end, with batches as they happened to fill. Where it is the ' +
        'client that is slow, requests are smaller and each gigabyte takes more of them.',
      rows: [
        row(samples, (one) => one.javaProducedCpu, { ...cost, label: 'Java' }),
        row(samples, (one) => one.ownProducedCpu, { ...cost, label: 'our generator' }),
      ],
    },
    {
      title: 'What was counted and compared',
      isInformation: true,
      rows: [
        row(samples, (one) => one.recordsSentByUs, { ...count, label: 'acknowledged to our generator' }),
        row(samples, (one) => one.recordsReadByJava, {
          ...count,
          label: 'of these, read by the Java consumer',
        }),
        row(samples, (one) => one.valuesCompared, { ...count, label: 'values compared byte for byte' }),
      ],
    },
  ];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
