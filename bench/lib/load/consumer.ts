/**
 * A consumer with the Java consumer's defaults: one Fetch at a time, in a fetch session (`fetch-session.ts`). It reads the
 * headers of the batches alone, to know where to go on; opening records is a client's own cost and the same for every broker.
 */
import { recordCount } from '../../../src/protocol/record-batch.ts';
import { FetchSession, type OnBatch } from '../fetch-session.ts';
import { FrameConnection } from '../frame-connection.ts';
import type { Client, ConsumeJob, Tally } from './job.ts';

export interface ConsumerEvents {
  readonly tally: Tally;
  /** Every partition was read to its end; only for a job that says so. */
  onDone(): void;
  fail(reason: string): void;
}

/** `partitions` are this client's. One connection, or in a cluster one to each leader, for the partitions that it leads. */
export async function startConsumer(
  job: ConsumeJob,
  partitions: readonly number[],
  events: ConsumerEvents,
): Promise<Client> {
  const { leaders } = job;
  if (leaders === undefined) return startConnection(job, partitions, events);
  const ports = [...new Set(partitions.map((partition) => leaders[partition]))];
  let reading = ports.length;
  const onDone = (): void => {
    if (--reading === 0) events.onDone();
  };
  const each = ports.map((port) => {
    const led = partitions.filter((partition) => leaders[partition] === port);
    return startConnection({ ...job, port }, led, { ...events, onDone });
  });
  const connections = await Promise.all(each);
  return { stop: async () => void (await Promise.all(connections.map((one) => one.stop()))) };
}

async function startConnection(
  { port, topic, endOffsets, atEnd }: ConsumeJob,
  partitions: readonly number[],
  { tally, onDone, fail }: ConsumerEvents,
): Promise<Client> {
  const session = new FetchSession(partitions.map((partition) => [topic, partition]));
  let isDone = false;
  let onStopped: (() => void) | undefined;

  const onBatch: OnBatch = (buffer, at, sizeBytes) => {
    tally.records += recordCount(buffer, at);
    tally.bytes += sizeBytes;
  };

  /** Begins again in what was read to its end; whether all was. */
  const lookAtEnds = (): boolean => {
    let areAllRead = true;
    for (const { partition, nextOffset } of session.positions()) {
      if (nextOffset < endOffsets[partition]) areAllRead = false;
      else if (atEnd === 'again' && nextOffset > 0) session.seek(topic, partition, 0);
    }
    return areAllRead;
  };

  const take = (response: Buffer): void => {
    session.take(response, onBatch);
    tally.requests++;
    if (atEnd !== 'wait') isDone = lookAtEnds() && atEnd === 'done';
    if (onStopped !== undefined) onStopped();
    else if (isDone) onDone();
    else connection.write(session.request());
  };

  const connection = await FrameConnection.connect(port);
  connection.onLost = fail;
  connection.onFrame = (response) => {
    try {
      take(response);
    } catch (error) {
      fail((error as Error).message);
    }
  };
  connection.write(session.request());
  return {
    stop: () =>
      new Promise((resolve) => {
        onStopped = () => {
          connection.close();
          resolve();
        };
        if (isDone) onStopped();
      }),
  };
}
