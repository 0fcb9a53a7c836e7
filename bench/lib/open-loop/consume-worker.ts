/**
 * A process that reads what an open-loop producer writes, as it comes, and takes from each batch the time at which it was
 * meant to leave the producer. It fetches as a consumer does: a session, one request at a time on a connection, the answer
 * held by the broker until there is something.
 */
import { nowMicros } from './clock.ts';
import { FetchSession } from '../fetch-session.ts';
import { connectMany, type FrameConnection } from '../frame-connection.ts';
import type { ConsumeRun, Target } from './messages.ts';
import { batchBytesOf, stampPosition } from './produce-frame.ts';
import { SampleBuffer, cpuSeconds, fail, send, serveRuns } from './worker-port.ts';

interface Reader {
  readonly connection: FrameConnection;
  readonly session: FetchSession;
}

/** Each connection reads every n-th partition of all topics. */
function shareOf(targets: readonly Target[], index: number, count: number): [string, number][] {
  const all = targets.flatMap(({ topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition): [string, number] => [topic, partition]),
  );
  return all.filter((_, place) => place % count === index);
}

async function prepare(run: ConsumeRun): Promise<(startMicros: number) => void> {
  const stampAt = stampPosition(run.shape);
  const batchBytes = batchBytesOf(run.shape);
  const connections = await connectMany(run.port, run.connections);
  const readers = connections.map((connection, index): Reader => {
    return { connection, session: new FetchSession(shareOf(run.targets, index, run.connections)) };
  });

  return (startMicros) => {
    const cpuBefore = cpuSeconds();
    const samples = new SampleBuffer();
    const measuredFrom = startMicros + run.warmupSeconds * 1e6;
    let seen = 0;
    const end = (): void => {
      for (const { connection } of readers) connection.close();
      samples.close();
      const used = cpuSeconds() - cpuBefore;
      send({ kind: 'done', requests: seen, unanswered: 0, drainMs: 0, cpuSeconds: used });
    };
    for (const { connection, session } of readers) {
      const fetch = (): void => connection.write(session.request());
      connection.onLost = fail;
      connection.onFrame = (frame) => {
        const now = nowMicros();
        session.take(frame, (buffer, at, sizeBytes) => {
          const stamp = buffer.readDoubleBE(at + stampAt);
          if (sizeBytes !== batchBytes || !(stamp >= startMicros && stamp <= now)) {
            throw new Error(`a batch of ${sizeBytes} bytes with time ${stamp} is not of this run`);
          }
          if (stamp >= measuredFrom) samples.latency((now - stamp) / 1_000);
          samples.completed(sizeBytes);
          seen++;
        });
        if (seen < run.batches) fetch();
        else end();
      };
      fetch();
    }
  };
}

serveRuns(prepare);
