/**
 * Reading partitions and holding every answer against the history: offsets without a gap, below the high watermark, with
 * leader epochs that never go back, and whole batches with sound checksums.
 */
import { Errors } from '../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import * as header from '../../src/protocol/record-batch.ts';
import { forEachRecord } from '../../src/protocol/records.ts';
import type { SimulatedRandom } from '../../src/runtime/simulated-random.ts';
import type { Asking } from './asking.ts';
import type { PartitionHistory } from './history.ts';
import type { Stage } from './stage.ts';

const EARLIEST = -2;
const LATEST = -1;
const DECOMPRESSED_BYTES_MAX = 1 << 24;

/** Where one consumer is in one partition. */
export interface Position {
  readonly partition: PartitionHistory;
  /** Undefined: ask for the start first. */
  offset: number | undefined;
  /** The leader epoch of the last record. */
  epoch: number;
  /** The last answer's. */
  highWatermark: number;
  /** Set where the values are wanted: all from `from` on. */
  readonly scan?: { from: number; readonly values: string[] };
}

export function positionAtStart(partition: PartitionHistory): Position {
  return { partition, offset: undefined, epoch: -1, highWatermark: -1 };
}

/** An incremental fetch session (KIP-227): what the broker remembers, as the consumer believes it. */
export class FetchSession {
  id = 0;
  epoch = 0;
  readonly remembered = new Map<PartitionHistory, number>();

  reset(): void {
    this.id = 0;
    this.epoch = 0;
    this.remembered.clear();
  }

  /** Those that the broker does not remember so, and those that it is to forget. */
  changes(ready: readonly Position[]) {
    const changed = ready.filter(({ partition, offset }) => this.remembered.get(partition) !== offset);
    const wanted = new Set(ready.map(({ partition }) => partition));
    const forgotten = [...this.remembered.keys()].filter((partition) => !wanted.has(partition));
    for (const partition of forgotten) this.remembered.delete(partition);
    for (const { partition, offset } of changed) this.remembered.set(partition, offset!);
    return { changed, forgotten };
  }

  answered(id: number): void {
    this.id = id;
    this.epoch = id === 0 ? 0 : this.epoch + 1;
    if (id === 0) this.remembered.clear();
  }
}

/** One fetch of all positions. The number of records that came. */
export async function fetchOnce(
  stage: Stage,
  client: Asking,
  positions: readonly Position[],
  random: SimulatedRandom,
  session?: FetchSession,
): Promise<number> {
  for (const position of positions) {
    if (position.offset === undefined) await startOver(stage, client, position);
  }
  const ready = positions.filter(({ offset }) => offset !== undefined);
  if (ready.length === 0) return 0;
  const askedFrom = new Map(ready.map((position) => [position, position.offset!]));
  const { changed, forgotten } = session?.changes(ready) ?? { changed: ready, forgotten: [] };
  const answer = await client.request(FetchRequest, FetchResponse, 13 + random.integer(5), {
    ...(session === undefined ? {} : { sessionId: session.id, sessionEpoch: session.epoch }),
    maxWaitMs: random.between(0, 500),
    minBytes: random.between(0, 2),
    maxBytes: random.chance(0.3) ? random.between(1, 2_000) : 1 << 22,
    isolationLevel: random.integer(2),
    topics: changed.map((position) => ({
      topic: '',
      topicId: position.partition.topic.id,
      partitions: [
        {
          partition: position.partition.partition,
          fetchOffset: position.offset!,
          partitionMaxBytes: random.chance(0.3) ? random.between(1, 1_000) : 1 << 20,
        },
      ],
    })),
    forgottenTopicsData: forgotten.map(({ topic, partition }) => ({
      topic: '',
      topicId: topic.id,
      partitions: [partition],
    })),
  });
  stage.note('Fetch', answer.errorCode);
  if (answer.errorCode === Errors.NONE) session?.answered(answer.sessionId);
  else session?.reset();
  let count = 0;
  for (const { topicId, partitions } of answer.responses) {
    for (const data of partitions) {
      const position = ready.find(
        ({ partition }) => partition.topic.id === topicId && partition.partition === data.partitionIndex,
      )!;
      stage.note('Fetch partition', data.errorCode);
      if (data.errorCode === Errors.OFFSET_OUT_OF_RANGE) {
        await outOfRange(stage, client, { position, asked: askedFrom.get(position)! });
      } else if (data.errorCode === Errors.NONE) {
        count += take(stage, position, data);
      } else if (
        data.errorCode === Errors.UNKNOWN_TOPIC_ID ||
        data.errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION
      ) {
        if (!position.partition.topic.isGoing) {
          stage.history.anomaly(
            'topic is gone',
            `${position.partition.name}: fetch answers ${data.errorCode}`,
          );
        }
      }
    }
  }
  return count;
}

type PartitionData = FetchResponse['responses'][number]['partitions'][number];

function take(stage: Stage, position: Position, data: PartitionData): number {
  const { history } = stage;
  const { partition } = position;
  const mayFall = history.isReplicated || history.isLossy(partition.topic);
  if (data.highWatermark < position.highWatermark && !mayFall) {
    history.anomaly(
      'watermark went back',
      `${partition.name}: ${position.highWatermark}, then ${data.highWatermark}`,
    );
  }
  position.highWatermark = data.highWatermark;
  const bytes = Buffer.concat(data.records ?? []);
  let count = 0;
  for (let at = 0; at < bytes.length;) {
    const fault = header.checkBatch(bytes, at);
    if (fault === 'incomplete') break;
    if (fault !== undefined) {
      history.anomaly('damaged batch', `${partition.name} @${position.offset}: ${fault}`);
      break;
    }
    const batch = bytes.subarray(at, at + header.batchSizeBytes(bytes, at));
    count += takeBatch(stage, position, { batch, highWatermark: data.highWatermark });
    at += batch.length;
  }
  return count;
}

function takeBatch(
  stage: Stage,
  position: Position,
  { batch, highWatermark }: { batch: Buffer; highWatermark: number },
): number {
  const { history } = stage;
  const { partition } = position;
  const epoch = header.partitionLeaderEpoch(batch);
  let count = 0;
  forEachRecord(
    batch,
    (record) => {
      if (record.offset < position.offset!) return;
      const value = record.value!.toString();
      if (record.offset !== position.offset) {
        history.anomaly('poll-skip', `${partition.name}: expected ${position.offset}, got ${record.offset}`);
      }
      if (record.offset >= highWatermark) {
        history.anomaly(
          'read above the watermark',
          `${partition.name} @${record.offset} of ${highWatermark}`,
        );
      }
      if (epoch < position.epoch) {
        history.anomaly(
          'epoch went back',
          `${partition.name} @${record.offset}: ${position.epoch}, then ${epoch}`,
        );
      }
      history.seen(partition, record.offset, value, epoch);
      position.scan?.values.push(value);
      position.offset = record.offset + 1;
      position.epoch = epoch;
      count += 1;
    },
    { maxDecompressedBytes: DECOMPRESSED_BYTES_MAX },
  );
  return count;
}

/** Only a start that has moved up, or a lost end in relaxed mode, explains it. */
async function outOfRange(
  stage: Stage,
  client: Asking,
  { position, asked }: { position: Position; asked: number },
): Promise<void> {
  const { history } = stage;
  const { partition } = position;
  const start = await listOffset(stage, client, partition, EARLIEST);
  const end = await listOffset(stage, client, partition, LATEST);
  if (start === undefined || end === undefined) return;
  const isBelow = asked < start;
  if (isBelow ? start > partition.startMax : !history.isLossy(partition.topic) && asked > end) {
    history.anomaly('position out of range', `${partition.name}: ${asked} is not in ${start} to ${end}`);
  }
  position.offset = Math.max(start, Math.min(asked, end));
  position.epoch = -1;
  position.highWatermark = -1;
  if (position.scan !== undefined) {
    position.scan.from = position.offset;
    position.scan.values.length = 0;
  }
}

async function startOver(stage: Stage, client: Asking, position: Position): Promise<void> {
  const { partition } = position;
  const start = await listOffset(stage, client, partition, EARLIEST);
  if (start === undefined) return;
  if (start > partition.startMax) {
    stage.history.anomaly(
      'early deletion',
      `${partition.name} starts at ${start}, allowed ${partition.startMax}`,
    );
  }
  position.offset = start;
  if (position.scan !== undefined) position.scan.from = start;
}

export async function listOffset(
  stage: Stage,
  client: Asking,
  partition: PartitionHistory,
  timestamp: number,
): Promise<number | undefined> {
  const answer = await client.request(ListOffsetsRequest, ListOffsetsResponse, 7, {
    replicaId: -1,
    isolationLevel: 0,
    timeoutMs: 0,
    topics: [
      { name: partition.topic.name, partitions: [{ partitionIndex: partition.partition, timestamp }] },
    ],
  });
  const { errorCode, offset } = answer.topics[0]!.partitions[0]!;
  stage.note('ListOffsets', errorCode);
  return errorCode === Errors.NONE ? offset : undefined;
}

export { EARLIEST, LATEST };
