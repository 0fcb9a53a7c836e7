/**
 * A process that sends produce requests at times that were settled before the first one: request n is meant to leave at
 * start + n / rate, whatever has become of those before it. One that leaves late has its delay in its latency, because
 * latency counts from when it was meant to leave; none is left out (coordinated omission).
 */
import { nowMicros } from './clock.ts';
import { connectClients } from './clients.ts';
import type { ProduceRun } from './messages.ts';
import { startPacer } from './pacer.ts';
import { ProduceFrames, batchBytesOf, checkProduced } from './produce-frame.ts';
import { SampleBuffer, cpuSeconds, fail, send, serveRuns } from './worker-port.ts';

const DRAIN_MS_MAX = 60_000;
/** What may wait for the broker in this process. More, and the broker does not keep up: the run ends there. */
const BACKLOG_BYTES_MAX = 2 ** 31;
/** Correlation ids count the requests; a run does not come near their end. */
const REQUESTS_MAX = 2 ** 31 - 1;

async function prepare(run: ProduceRun): Promise<(startMicros: number) => void> {
  const { shape, schedule, targets } = run;
  const { requestsPerSecond, warmupSeconds, seconds } = schedule;
  const requests = Math.round((warmupSeconds + seconds) * requestsPerSecond);
  if (requests > REQUESTS_MAX) throw new RangeError(`${requests} requests are more than a run may have`);
  const measuredFrom = Math.round(warmupSeconds * requestsPerSecond);
  const batchBytes = batchBytesOf(shape) * shape.batchesPerRequest;
  const frames = targets.map(({ topic }) => new ProduceFrames(topic, shape));
  const clients = await connectClients(run, run.connections);
  const connections = clients.flatMap((client) => [...client.values()]);
  const backlogMax = BACKLOG_BYTES_MAX / frames[0].sizeBytes;

  return (startMicros) => {
    const cpuBefore = cpuSeconds();
    const samples = new SampleBuffer();
    const intended = (request: number): number => startMicros + (request * 1e6) / requestsPerSecond;
    let sent = 0;
    let answered = 0;
    let isOver = false;
    let lastAnswerMicros = startMicros;
    let drainTimer: NodeJS.Timeout | undefined;

    const end = (): void => {
      // Ticks and answers that are on their way already find nothing to do.
      isOver = true;
      for (const connection of connections) connection.onFrame = () => {};
      stopPacer();
      clearTimeout(drainTimer);
      for (const connection of connections) connection.close();
      samples.close();
      const drainMs = Math.max(0, lastAnswerMicros - intended(requests - 1)) / 1_000;
      const used = cpuSeconds() - cpuBefore;
      send({ kind: 'done', requests, unanswered: requests - answered, drainMs, cpuSeconds: used });
    };

    const sendDue = (): void => {
      if (isOver) return;
      // Only what is due by now: what comes due meanwhile waits for the next tick, so that answers are taken in between.
      for (const due = nowMicros(); sent < requests && intended(sent) <= due; sent++) {
        const place = sent % clients.length;
        const { partitions, leaders } = targets[place % targets.length];
        const pool = frames[place % targets.length];
        // Every client goes round all partitions, and no two of them begin at the same one.
        const turn = Math.floor(sent / clients.length) * shape.batchesPerRequest;
        const first = (Math.floor(place / targets.length) + turn) % partitions;
        const stampMicros = intended(sent);
        const frame = pool.take({ correlationId: sent, first, partitions, stampMicros });
        const connection = clients[place].get(leaders?.[first] ?? run.port)!;
        connection.write(frame, () => pool.giveBack(frame));
        if (sent >= measuredFrom) samples.lateness((nowMicros() - stampMicros) / 1_000);
      }
      if (sent - answered > backlogMax) end();
      else if (sent === requests && drainTimer === undefined) {
        stopPacer();
        drainTimer = setTimeout(end, DRAIN_MS_MAX);
      }
    };

    for (const connection of connections) {
      connection.onLost = fail;
      connection.onFrame = (frame) => {
        const request = checkProduced(frame, shape.batchesPerRequest);
        lastAnswerMicros = nowMicros();
        if (request >= measuredFrom) samples.latency((lastAnswerMicros - intended(request)) / 1_000);
        samples.completed(batchBytes);
        answered++;
        if (answered === requests) end();
      };
    }
    const stopPacer = startPacer({ startMicros, intervalMicros: 1e6 / requestsPerSecond }, sendDue);
  };
}

serveRuns(prepare);
