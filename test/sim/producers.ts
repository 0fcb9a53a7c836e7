/**
 * Producers of the simulation. The idempotent one keeps several batches in flight, and after any doubt sends all that are
 * not acknowledged again, in their order. The plain one knows neither sequence nor order: what it sends again may be
 * there twice.
 */
import { Errors, isRetriable } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { COMPRESSION_TYPES } from '../../src/protocol/record-batch.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Asking } from './asking.ts';
import { short } from './history.ts';
import type { PartitionHistory, Sender, SimTopic } from './history.ts';
import type { Stage } from './stage.ts';

const IN_FLIGHT_MAX = 5;

interface Batch {
  readonly values: readonly string[];
  readonly sequence: number;
}

interface Outcome {
  readonly errorCode: number;
  readonly baseOffset: number;
}

export interface ProducerOptions {
  readonly name: string;
  readonly random: SimulatedRandom;
  readonly pauseMsMax: number;
  readonly compresses: boolean;
}

/** What an idempotent producer knows of one partition. */
interface Stream {
  readonly partition: PartitionHistory;
  readonly sender: Sender;
  sequence: number;
  numbers: number;
  unacked: Batch[];
}

export async function runIdempotentProducer(stage: Stage, options: ProducerOptions): Promise<void> {
  const { random, name } = options;
  const client = stage.client(name);
  const streams = new Map<PartitionHistory, Stream>();
  let identity = await initProducerId(stage, client, random);
  while (stage.phase !== 'over' && identity !== undefined) {
    const stream = pickStream(stage, streams, { random, name });
    if (stream !== undefined) {
      if (stage.phase === 'faults') fill(stage, stream, random);
      const mustRenew = await round(stage, client, { stream, identity, options });
      if (mustRenew) {
        stage.history.counts.reset += 1;
        for (const other of streams.values()) Object.assign(other, { sequence: 0, unacked: [] });
        identity = await initProducerId(stage, client, random);
      }
    } else if (stage.phase === 'drain') {
      return;
    }
    await stage.sleep(random.between(0, options.pauseMsMax));
  }
}

/** While draining only partitions with something left to do; undefined when there are none. */
function pickStream(
  stage: Stage,
  streams: Map<PartitionHistory, Stream>,
  { random, name }: { random: SimulatedRandom; name: string },
): Stream | undefined {
  if (stage.phase === 'drain') {
    return [...streams.values()].find(
      ({ unacked, partition }) => unacked.length > 0 && !partition.topic.isGoing,
    );
  }
  const partition = pickPartition(stage, random);
  if (partition === undefined) return undefined;
  let stream = streams.get(partition);
  if (stream === undefined) {
    stream = { partition, sender: { name, isIdempotent: true }, sequence: 0, numbers: 0, unacked: [] };
    streams.set(partition, stream);
  }
  return stream;
}

export function pickPartition(stage: Stage, random: SimulatedRandom): PartitionHistory | undefined {
  const topics = stage.topics.filter(({ isGoing }) => !isGoing);
  if (topics.length === 0) return undefined;
  const topic = topics[random.integer(topics.length)]!;
  return stage.history.partition(topic, random.integer(topic.partitionCount));
}

function fill(stage: Stage, stream: Stream, random: SimulatedRandom): void {
  const count = random.between(1, IN_FLIGHT_MAX);
  while (stream.unacked.length < count) {
    const values = newValues(stage, stream.sender, {
      partition: stream.partition,
      first: stream.numbers,
      random,
    });
    stream.unacked.push({ values, sequence: stream.sequence });
    stream.sequence += values.length;
    stream.numbers += values.length;
  }
}

/** Sends all that is not acknowledged, in order, and takes the answers. True: the producer needs a new id. */
async function round(
  stage: Stage,
  client: Asking,
  { stream, identity, options }: { stream: Stream; identity: Identity; options: ProducerOptions },
): Promise<boolean> {
  const { partition } = stream;
  const batches = stream.unacked;
  if (batches.length === 0) return false;
  let wire;
  try {
    wire = await client.connect(placeOf(partition));
  } catch (error) {
    stage.unknown('Produce', error);
    return false;
  }
  const { random } = options;
  const answers = batches.map((batch) => {
    const records = encode(stage, batch, { identity, options });
    return produce(stage, client, {
      wire,
      partition,
      values: batch.values,
      records,
      acks: -1,
      byId: random.chance(0.5),
    });
  });
  // Now and then the answers are lost, whatever became of the batches.
  if (random.chance(0.05)) void stage.sleep(random.between(0, 20)).then(() => client.disconnect());
  const outcomes = await Promise.all(answers);
  stream.unacked = [];
  for (const [index, batch] of batches.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) {
      stream.unacked.push(batch);
    } else if (isAck(outcome)) {
      continue;
    } else if (isGone(outcome.errorCode) && partition.topic.isGoing) {
      return false;
    } else if (isOutOfOrder(outcome.errorCode) && stream.unacked.length === 0) {
      // What came before was acknowledged, so it is lost. But before a producer's first batch there is nothing: a leader
      // that was none yet when that came knows nobody, and takes what was sent behind it for the first.
      const isFirst = batch.sequence === 0 && stage.history.isReplicated;
      if (!stage.history.isLossy(partition.topic) && !isFirst) {
        const what = `producer ${identity.producerId}, sequence ${batch.sequence}, ${short(batch.values[0]!)}`;
        stage.history.anomaly('sequence lost', `${partition.name}: ${outcome.errorCode} for ${what}`);
      }
      return true;
    } else {
      if (!isRetriable(outcome.errorCode) && !isOutOfOrder(outcome.errorCode))
        unexpected(stage, partition, outcome);
      stream.unacked.push(batch);
    }
  }
  return false;
}

function isOutOfOrder(errorCode: number): boolean {
  return errorCode === Errors.OUT_OF_ORDER_SEQUENCE_NUMBER || errorCode === Errors.UNKNOWN_PRODUCER_ID;
}

function isGone(errorCode: number): boolean {
  return errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION || errorCode === Errors.UNKNOWN_TOPIC_ID;
}

/** A process that dies in the middle may still say so; nothing else may go wrong in words that clients give up at. */
function unexpected(stage: Stage, partition: PartitionHistory, outcome: Outcome): void {
  stage.history.anomaly('unexpected error', `Produce to ${partition.name}: ${outcome.errorCode}`);
}

export async function runPlainProducer(stage: Stage, options: ProducerOptions): Promise<void> {
  const { random, name } = options;
  const client = stage.client(name);
  const sender = { name, isIdempotent: false };
  let first = 0;
  while (stage.phase === 'faults') {
    const partition = pickPartition(stage, random);
    if (partition !== undefined) {
      const values = newValues(stage, sender, { partition, first, random });
      first += values.length;
      await sendPlainly(stage, client, { partition, values, options });
    }
    await stage.sleep(random.between(0, options.pauseMsMax));
  }
}

async function sendPlainly(
  stage: Stage,
  client: Asking,
  {
    partition,
    values,
    options,
  }: { partition: PartitionHistory; values: readonly string[]; options: ProducerOptions },
): Promise<void> {
  const { random } = options;
  const acks = random.chance(0.5) ? 1 : -1;
  const records = encode(stage, { values, sequence: -1 }, { options });
  let isUntouched = true;
  for (let attempts = random.between(1, 4); attempts > 0; attempts--) {
    let outcome: Outcome | undefined;
    try {
      const wire = await client.connect(placeOf(partition));
      outcome = await produce(stage, client, {
        wire,
        partition,
        values,
        records,
        acks,
        byId: random.chance(0.5),
      });
    } catch (error) {
      stage.unknown('Produce', error);
      continue;
    }
    if (outcome !== undefined && isAck(outcome)) return;
    // A leader that is deposed says the same of what it has written.
    const isDoubtful = outcome === undefined || stage.history.isReplicated;
    if (isDoubtful || !isUntouchedBy(outcome!.errorCode)) isUntouched = false;
    if (outcome !== undefined && !isRetriable(outcome.errorCode)) {
      if (!(partition.topic.isGoing && isGone(outcome.errorCode))) unexpected(stage, partition, outcome);
      break;
    }
    await stage.sleep(random.between(1, 300));
  }
  if (isUntouched) for (const value of values) stage.history.refused(value);
}

/** Errors that say that nothing was written. */
function isUntouchedBy(errorCode: number): boolean {
  return errorCode === Errors.NOT_LEADER_OR_FOLLOWER || isGone(errorCode);
}

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

async function initProducerId(
  stage: Stage,
  client: Asking,
  random: SimulatedRandom,
): Promise<Identity | undefined> {
  return stage.until('InitProducerId', random, async () => {
    const body = { transactionalId: null, transactionTimeoutMs: 60_000 };
    const answer = await client.request(InitProducerIdRequest, InitProducerIdResponse, 4, body);
    stage.note('InitProducerId', answer.errorCode);
    if (answer.errorCode !== Errors.NONE) return undefined;
    const { producerId, producerEpoch } = answer;
    if (stage.producerIds.has(producerId)) stage.history.anomaly('producer id twice', `${producerId}`);
    stage.producerIds.add(producerId);
    return { producerId, producerEpoch };
  });
}

function newValues(
  stage: Stage,
  sender: Sender,
  { partition, first, random }: { partition: PartitionHistory; first: number; random: SimulatedRandom },
): string[] {
  const values: string[] = [];
  for (let count = random.between(1, 4); count > 0; count--) {
    const number = first + values.length;
    const value = `${sender.name}/${partition.name}/${number}`.padEnd(random.between(20, 300), '.');
    stage.history.sent(value, sender, { partition, number });
    values.push(value);
  }
  return values;
}

function encode(
  stage: Stage,
  batch: Batch,
  { identity, options }: { identity?: Identity; options: ProducerOptions },
): Buffer {
  const { random } = options;
  // The same bytes in every attempt, but for the compression, which nobody promises to keep.
  const timestamp = stage.startMs + Math.floor(stage.time.nowMs());
  return buildBatch({
    records: batch.values.map((value) => ({ key: null, value: Buffer.from(value), timestamp })),
    compression: options.compresses ? COMPRESSION_TYPES[random.integer(COMPRESSION_TYPES.length)]! : 'none',
    ...(identity === undefined ? {} : { ...identity, baseSequence: batch.sequence }),
  });
}

async function produce(
  stage: Stage,
  client: Asking,
  call: {
    readonly wire: Awaited<ReturnType<Asking['connect']>>;
    readonly partition: PartitionHistory;
    readonly values: readonly string[];
    readonly records: Buffer;
    readonly acks: number;
    readonly byId: boolean;
  },
): Promise<Outcome | undefined> {
  const { wire, partition, values, records, acks, byId } = call;
  const { name, id }: SimTopic = partition.topic;
  // By name a topic that was made again under it would be written to.
  const version = byId || partition.topic.name.startsWith('churn') ? 13 : 9 + (partition.partition % 4);
  const partitionData = [{ index: partition.partition, records }];
  const topicData = [{ name, topicId: id, partitionData }];
  try {
    const answer = await client.send(wire, {
      request: ProduceRequest,
      response: ProduceResponse,
      version,
      body: { transactionalId: null, acks, timeoutMs: 5_000, topicData },
    });
    const outcome = answer.responses[0]!.partitionResponses[0]!;
    stage.note('Produce', outcome.errorCode);
    // At once: a power cut that comes after the answer must find it in the history.
    if (isAck(outcome) && outcome.baseOffset >= 0) {
      for (const [index, value] of values.entries()) {
        stage.history.acked(partition, outcome.baseOffset + index, value, acks);
      }
    }
    return outcome;
  } catch (error) {
    stage.unknown('Produce', error);
    return undefined;
  }
}

function placeOf({ topic, partition }: PartitionHistory) {
  return { topic: topic.name, partition };
}

function isAck({ errorCode }: Outcome): boolean {
  return errorCode === Errors.NONE || errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER;
}
