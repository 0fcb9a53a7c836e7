/**
 * A consumer of whole partitions, in either isolation. As Kafka's consumers do, it leaves out control batches, and with
 * read_committed what the answer says to be aborted. Every answer is also held against what the reader knows: offsets
 * without a gap, nothing beyond the end that it may see, and ends that never go back.
 */
import { Errors } from '../../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { endedTransaction } from '../../../src/protocol/control-records.ts';
import * as header from '../../../src/protocol/record-batch.ts';
import { forEachRecord } from '../../../src/protocol/records.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Isolation, Polled } from '../../workload/history.ts';
import type { Asking } from '../asking.ts';
import type { Stage } from '../stage.ts';
import { partitionOf, type Journal } from './journal.ts';

const LIMITS = { maxDecompressedBytes: 1 << 20 };

interface Position {
  offset: number;
  highWatermark: number;
  lastStableOffset: number;
}

export interface ReaderOptions {
  readonly process: string;
  readonly client: Asking;
  readonly random: SimulatedRandom;
  readonly isolation: Isolation;
  readonly positions: Readonly<Record<string, number>>;
  /** A deliberate fault: it is said to be read_committed, and reads everything. */
  readonly readsAll?: boolean;
}

type PartitionData = FetchResponse['responses'][number]['partitions'][number];

export class Reader {
  readonly name: string;
  readonly #stage: Stage;
  readonly #options: ReaderOptions;
  readonly #isCommittedOnly: boolean;
  readonly #positions = new Map<string, Position>();

  constructor(stage: Stage, journal: Journal, options: ReaderOptions) {
    const { process, isolation, positions } = options;
    this.#stage = stage;
    this.#options = options;
    this.#isCommittedOnly = isolation === 'read_committed' && options.readsAll !== true;
    this.name = journal.nextConsumer();
    for (const [key, offset] of Object.entries(positions)) {
      this.#positions.set(key, { offset, highWatermark: -1, lastStableOffset: -1 });
    }
    journal.note(process, { f: 'assign', type: 'ok', consumer: this.name, isolation, positions });
  }

  /** The next offset to read of each key. */
  positions(): Record<string, number> {
    return Object.fromEntries([...this.#positions].map(([key, { offset }]) => [key, offset]));
  }

  /** True: each key was read to at least this offset. */
  isAt(ends: Readonly<Record<string, number>>): boolean {
    return Object.entries(ends).every(([key, end]) => this.#positions.get(key)!.offset >= end);
  }

  /** One fetch of all keys. Rejects with UnknownOutcome. */
  async poll(): Promise<Polled> {
    const { client, random } = this.#options;
    const askedFrom = this.positions();
    const topics = Map.groupBy(Object.keys(askedFrom), (key) => partitionOf(key).topic);
    const answer = await client.request(FetchRequest, FetchResponse, 12, {
      replicaId: -1,
      maxWaitMs: random.between(0, 300),
      minBytes: random.between(0, 1),
      maxBytes: random.chance(0.2) ? random.between(1, 1_000) : 1 << 22,
      isolationLevel: this.#isCommittedOnly ? 1 : 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [...topics].map(([topic, keys]) => ({
        topic,
        topicId: '',
        partitions: keys.map((key) => ({
          partition: partitionOf(key).partition,
          fetchOffset: askedFrom[key]!,
          partitionMaxBytes: random.chance(0.2) ? random.between(1, 500) : 1 << 20,
        })),
      })),
      forgottenTopicsData: [],
    });
    const polled: Record<string, [number, number][]> = {};
    for (const { topic, partitions } of answer.responses) {
      for (const data of partitions) {
        this.#stage.note('Fetch', data.errorCode);
        const key = `${topic}-${data.partitionIndex}`;
        if (data.errorCode === Errors.OFFSET_OUT_OF_RANGE) {
          this.#stage.history.anomaly('position out of range', `${key}: ${askedFrom[key]}`);
        }
        if (data.errorCode !== Errors.NONE) continue;
        const records = this.#take(key, data);
        if (records.length > 0) polled[key] = records;
      }
    }
    return polled;
  }

  #take(key: string, data: PartitionData): [number, number][] {
    const { history } = this.#stage;
    const position = this.#positions.get(key)!;
    const { highWatermark, lastStableOffset } = data;
    const hasFallen = highWatermark < position.highWatermark || lastStableOffset < position.lastStableOffset;
    if (hasFallen && !history.isReplicated) {
      const what = `${key}: ${highWatermark} and ${lastStableOffset}, before ${JSON.stringify(position)}`;
      history.anomaly('an end went back', what);
    }
    Object.assign(position, { highWatermark, lastStableOffset });
    const end = this.#isCommittedOnly ? lastStableOffset : highWatermark;
    const open = [...(data.abortedTransactions ?? [])].sort(
      (one, other) => one.firstOffset - other.firstOffset,
    );
    const aborted = new Set<number>();
    const records: [number, number][] = [];
    const bytes = Buffer.concat(data.records ?? []);
    header.forEachBatch(bytes, (at, sizeBytes) => {
      const batch = bytes.subarray(at, at + sizeBytes);
      const fault = header.checkBatch(batch);
      if (fault !== undefined) history.anomaly('damaged batch', `${key} @${position.offset}: ${fault}`);
      if (header.lastOffset(batch) < position.offset) return;
      if (header.baseOffset(batch) > position.offset || header.lastOffset(batch) >= end) {
        const what = `${key}: ${header.baseOffset(batch)} to ${header.lastOffset(batch)} at ${position.offset} of ${end}`;
        history.anomaly('batch out of place', what);
      }
      while (open.length > 0 && open[0]!.firstOffset <= header.lastOffset(batch)) {
        aborted.add(open.shift()!.producerId);
      }
      const producerId = header.producerId(batch);
      if (header.isControl(batch)) {
        if (endedTransaction(batch)?.isCommit === false) aborted.delete(producerId);
      } else if (!(this.#isCommittedOnly && header.isTransactional(batch) && aborted.has(producerId))) {
        forEachRecord(
          batch,
          ({ offset, value }) => {
            if (offset >= position.offset) records.push([offset, Number(value!.toString())]);
          },
          LIMITS,
        );
      }
      position.offset = header.lastOffset(batch) + 1;
    });
    return records;
  }
}
