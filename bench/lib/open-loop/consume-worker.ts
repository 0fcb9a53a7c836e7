/**
 * A process that reads what an open-loop producer writes, as it comes, and takes from each batch the time at which it was
 * meant to leave the producer. It fetches as a consumer does: a session, one request at a time on a connection, the answer
 * held by the broker until there is something.
 */
import { nowMicros } from './clock.ts';
import { FetchSession } from '../fetch-session.ts';
import type { FrameConnection } from '../frame-connection.ts';
import { connectClients } from './clients.ts';
import type { ConsumeRun, Target } from './messages.ts';
import { batchBytesOf, stampPosition } from './produce-frame.ts';
import { SampleBuffer, cpuSeconds, fail, send, serveRuns } from './worker-port.ts';

interface Reader {
  readonly connection: FrameConnection;
  readonly session: FetchSession;
}

interface Share {
  readonly topic: string;
  readonly partition: number;
  /** The leader's, in a cluster. */
  readonly port: number | undefined;
}

/** Each client reads every n-th partition of all topics. */
function shareOf(targets: readonly Target[], index: number, count: number): Share[] {
  const all = targets.flatMap(({ topic, partitions, leaders }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition, port: leaders?.[partition] })),
  );
  return all.filter((_, place) => place % count === index);
}

async function prepare(run: ConsumeRun): Promise<(startMicros: number) => void> {
  const stampAt = stampPosition(run.shape);
  const batchBytes = batchBytesOf(run.shape);
  const clients = await connectClients(run, run.connections);
  const readers = clients.flatMap((client, index): Reader[] => {
    const share = shareOf(run.targets, index, run.connections);
    return [...client].flatMap(([at, connection]) => {
      const here = share.filter(({ port = run.port }) => port === at);
      const session = new FetchSession(here.map(({ topic, partition }) => [topic, partition]));
      // A leader of nothing that this client reads is asked for nothing.
      return here.length === 0 ? [] : [{ connection, session }];
    });
  });

  return (startMicros) => {
    const cpuBefore = cpuSeconds();
    const samples = new SampleBuffer();
    const measuredFrom = startMicros + run.warmupSeconds * 1e6;
    let seen = 0;
    const end = (): void => {
      for (const client of clients) for (const connection of client.values()) connection.close();
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
