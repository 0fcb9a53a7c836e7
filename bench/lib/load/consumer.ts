/**
 * A consumer with the Java consumer's defaults: one Fetch at a time, in a fetch session, up to 50 MiB and 1 MiB a partition,
 * at least one byte. It reads the headers of the batches alone, to know where to go on; opening records is a client's own
 * cost and the same for every broker.
 */
import { apiOf } from '../../../src/protocol/apis.ts';
import { codec } from '../../../src/protocol/compile.ts';
import { encodeRequest } from '../../../src/protocol/frame.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  batchSizeBytes,
  lastOffsetDelta,
  recordCount,
} from '../../../src/protocol/record-batch.ts';
import { Reader } from '../../../src/protocol/wire.ts';
import { connectRaw } from './connection.ts';
import type { Client, ConsumeJob, Tally } from './job.ts';

/** The newest that both sides have and that names topics instead of numbering them. */
const FETCH_VERSION = 12;
const RESPONSE_HEADER_BYTES = 5;
const FETCH_BYTES_MAX = 50 * 1024 * 1024;
const PARTITION_BYTES_MAX = 1024 * 1024;
const MAX_WAIT_MS = 500;

export interface ConsumerEvents {
  readonly tally: Tally;
  /** Every partition was read to its end; only for a job that says so. */
  onDone(): void;
  fail(reason: string): void;
}

/** `partitions` are this connection's. */
export async function startConsumer(
  job: ConsumeJob,
  partitions: readonly number[],
  { tally, onDone, fail }: ConsumerEvents,
): Promise<Client> {
  const api = apiOf(FetchRequest.key)!;
  const answer = codec(FetchResponse, FETCH_VERSION);
  const offsets = new Map(partitions.map((partition) => [partition, 0]));
  const unread = new Set(partitions.filter((partition) => job.endOffsets[partition] > 0));
  let sessionId = 0;
  let sessionEpoch = 0;
  let correlationId = 0;
  let onStopped: (() => void) | undefined;

  /** In a session, only what changed is said again. */
  const send = (changed: readonly number[]): void => {
    const asked = changed.map((partition) => ({
      partition,
      currentLeaderEpoch: -1,
      fetchOffset: offsets.get(partition)!,
      lastFetchedEpoch: -1,
      logStartOffset: -1,
      partitionMaxBytes: PARTITION_BYTES_MAX,
    }));
    const body = {
      clusterId: null,
      replicaId: -1,
      maxWaitMs: MAX_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      isolationLevel: 0,
      sessionId,
      sessionEpoch,
      topics: asked.length === 0 ? [] : [{ topic: job.topic, partitions: asked }],
      forgottenTopicsData: [],
      rackId: '',
    };
    const request = {
      version: FETCH_VERSION,
      correlationId: ++correlationId,
      clientId: 'headrace-bench',
      body,
    };
    connection.write(Buffer.concat(encodeRequest(api, request)));
  };

  /** Takes the batches of one partition; whether any was whole. */
  const take = (partition: number, records: Buffer): boolean => {
    let next = -1;
    for (let at = 0; at + BATCH_HEADER_BYTES <= records.length;) {
      const size = batchSizeBytes(records, at);
      if (at + size > records.length) break;
      if (next >= 0 && baseOffset(records, at) !== next) fail(`partition ${partition} has a gap at ${next}`);
      next = baseOffset(records, at) + lastOffsetDelta(records, at) + 1;
      tally.records += recordCount(records, at);
      tally.bytes += size;
      at += size;
    }
    if (next < 0) return false;
    if (job.atEnd !== 'wait' && next >= job.endOffsets[partition]) {
      unread.delete(partition);
      if (job.atEnd === 'again') next = 0;
    }
    offsets.set(partition, next);
    return true;
  };

  const onFrame = (response: Buffer): void => {
    if (response.readInt32BE(0) !== correlationId) fail('an answer to another request');
    const { errorCode, sessionId: id, responses } = answer.read(new Reader(response, RESPONSE_HEADER_BYTES));
    if (errorCode !== 0) fail(`a fetch answered error ${errorCode}`);
    sessionId = id;
    sessionEpoch++;
    tally.requests++;
    const changed: number[] = [];
    for (const topic of responses) {
      for (const { partitionIndex, errorCode: error, records } of topic.partitions) {
        if (error !== 0) fail(`partition ${partitionIndex} answered error ${error}`);
        const bytes =
          records === null ? undefined : records.length === 1 ? records[0] : Buffer.concat(records);
        if (bytes !== undefined && take(partitionIndex, bytes)) changed.push(partitionIndex);
      }
    }
    if (onStopped !== undefined) onStopped();
    else if (job.atEnd === 'done' && unread.size === 0) onDone();
    else send(changed);
  };

  const connection = await connectRaw(job.port, { onFrame, onEnd: fail });
  send(partitions);
  return {
    stop: () =>
      new Promise((resolve) => {
        onStopped = () => {
          connection.close();
          resolve();
        };
        if (job.atEnd === 'done' && unread.size === 0) onStopped();
      }),
  };
}
