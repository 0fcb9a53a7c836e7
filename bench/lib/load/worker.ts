/** The process that makes load: takes one job from its parent, runs it until told to stop, counts when asked. */
import type { Client, Counters, Job, Order, Report, Tally } from './job.ts';
import { startConsumer } from './consumer.ts';
import { startProducer } from './producer.ts';

const tally: Tally = { requests: 0, records: 0, bytes: 0 };
let clients: Client[] = [];
let begunMs = 0;

function tell(report: Report): void {
  process.send!(report);
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function counters(): Counters {
  const { user, system } = process.cpuUsage();
  return {
    ...tally,
    cpuSeconds: (user + system) / 1e6,
    begunMs,
    atMs: nowMs(),
  };
}

function fail(reason: string): void {
  const report: Report = { report: 'failed', reason };
  process.send!(report, () => process.exit(1));
}

async function run(job: Job): Promise<void> {
  begunMs = nowMs();
  if (job.does === 'produce') {
    const each = Array.from({ length: job.clients }, (_, n) =>
      startProducer({ ...job, seed: job.seed + n }, { tally, fail }),
    );
    clients = await Promise.all(each);
  } else {
    let reading = job.clients.length;
    const onDone = (): void => {
      if (--reading === 0) tell({ report: 'done', counters: counters() });
    };
    clients = await Promise.all(
      job.clients.map((partitions) => startConsumer(job, partitions, { tally, onDone, fail })),
    );
  }
  tell({ report: 'running' });
}

process.on('message', (order: Order) => {
  if (order.order === 'run') run(order.job).catch((error: Error) => fail(error.stack ?? error.message));
  else if (order.order === 'count') tell({ report: 'counters', counters: counters() });
  else
    Promise.all(clients.map((client) => client.stop())).then(() =>
      tell({ report: 'done', counters: counters() }),
    );
});
process.on('disconnect', () => process.exit(0));
