/** What producers notice when each of three brokers is stopped as planned and started again, one after the other. */
import { setTimeout as delay } from 'node:timers/promises';
import { describeCluster, startCluster, BROKERS, type Cluster } from './lib/cluster-servers.ts';
import { createReplicated, electPreferred, viewOf } from './lib/cluster-topics.ts';
import { joinSamples, spreadOf } from './lib/percentiles.ts';
import {
  KINDS,
  NAMES,
  row,
  type BySide,
  type Context,
  type Kind,
  type Question,
  type Row,
} from './lib/question.ts';
import { HOST, type Durability } from './lib/servers.ts';
import { CLIENTS, openClient, type ClientName, type StreamPart } from './lib/steady-clients.ts';

const TOPIC = 'rolling';
const LIMIT_MS = 120_000;
const POLL_MS = 50;
const DURABILITIES = ['relaxed', 'fsync'] as const satisfies readonly Durability[];

interface Size {
  readonly partitions: number;
  readonly recordsPerSecond: number;
  readonly warmUpMs: number;
  /** Between the steps. */
  readonly calmMs: number;
}
const FULL: Size = { partitions: 30, recordsPerSecond: 100, warmUpMs: 8_000, calmMs: 3_000 };
const QUICK: Size = { partitions: 6, recordsPerSecond: 50, warmUpMs: 2_000, calmMs: 500 };

interface Sample {
  readonly latencies: Readonly<Record<ClientName, Float64Array>>;
  readonly failed: number;
  readonly stopMs: number;
}

const titleOf = (durability: Durability): string => `Three brokers restarted in turn, ${durability}`;

export const question: Question = {
  name: 'rolling-restart',
  title: 'Three brokers: a rolling restart under load',
  asks:
    'To change a setting or a release each broker is stopped and started again, one after the other. Does any write fail, and ' +
    'how long does one take at worst?',
  minutes: 14,
  answers: [
    {
      says: "acknowledges 99 % of the records of Kafka's Java client within",
      where: 'while each of three brokers is restarted in turn, fsync',
      table: titleOf('fsync'),
      row: 'Java: p99',
    },
  ],
  async run(context) {
    const size = context.quick ? QUICK : FULL;
    const tables = [];
    for (const durability of DURABILITIES) {
      const samples = await context.alternate((kind, round) =>
        restartAll(kind, durability, { context, size, round }),
      );
      tables.push({ title: titleOf(durability), text: TEXT, rows: rowsOf(samples) });
    }
    return { settings: settings(size), tables };
  },
};

const TEXT =
  'From when a record was due until it was acknowledged, over the whole time: three stops, three starts, and three times the ' +
  'return of the leaders to the broker that came back. All four clients write at the same time.';

function rowsOf(samples: BySide<Sample>): Row[] {
  const rows: Row[] = [];
  for (const client of CLIENTS) {
    for (const which of ['p50', 'p99', 'max'] as const) {
      const label = `${client}: ${which}`;
      const about = { label, unit: 'ms', better: 'lower' } as const;
      rows.push(row(samples, ({ latencies }) => spreadOf(latencies[client])[which], about));
    }
  }
  const failures = { label: 'records given up, all clients', unit: 'records', better: 'lower' } as const;
  rows.push(row(samples, ({ failed }) => failed, failures));
  const stop = {
    label: 'a broker stops: from SIGTERM to its end, mean',
    unit: 'ms',
    better: 'lower',
  } as const;
  rows.push(row(samples, ({ stopMs }) => stopMs, stop));
  return rows;
}

async function restartAll(
  kind: Kind,
  durability: Durability,
  { context, size, round }: { readonly context: Context; readonly size: Size; readonly round: number },
): Promise<Sample> {
  const { partitions, recordsPerSecond, warmUpMs, calmMs } = size;
  const cluster = await startCluster(kind, { durability });
  try {
    await createReplicated(cluster, [{ topic: TOPIC, partitions }]);
    const bootstrap = cluster.nodes.map(({ port }) => `${HOST}:${port}`).join(',');
    const clients = await Promise.all(CLIENTS.map((name) => openClient(name, bootstrap)));
    for (const client of clients)
      await client.start({ topic: TOPIC, partitions, recordsPerSecond, valueBytes: 1024 });
    await delay(warmUpMs);
    // What it took to get going is another question.
    for (const client of clients) await client.take();
    let stopMs = 0;
    for (const node of cluster.nodes) {
      stopMs += (await node.stop()) / BROKERS;
      await delay(calmMs);
      await node.restart();
      await whole(cluster);
      await electPreferred(cluster, TOPIC);
      await delay(calmMs);
    }
    const latencies = {} as Record<ClientName, Float64Array>;
    let failed = 0;
    for (const client of clients) {
      const part: StreamPart = await client.stop();
      latencies[client.name] = joinSamples([Float64Array.from(part.latenciesMs)]);
      failed += part.failed;
      await client.close();
      const { p50, p99, max } = spreadOf(latencies[client.name]);
      const text = [p50, p99, max].map((ms) => ms.toFixed(0)).join(' / ');
      context.log(
        `round ${round + 1}, ${NAMES[kind]}, ${durability}, ${client.name}: p50 / p99 / max ${text} ms, ` +
          `${part.failed} of ${part.latenciesMs.length + part.failed} failed ${part.faults[0] ?? ''}`,
      );
    }
    return { latencies, failed, stopMs };
  } finally {
    await cluster.discard();
  }
}

async function whole(cluster: Cluster): Promise<void> {
  for (const late = performance.now() + LIMIT_MS; ; await delay(POLL_MS)) {
    const views = await viewOf(cluster.nodes[0].port, TOPIC);
    if (views.every(({ isr }) => isr.length === BROKERS)) return;
    if (performance.now() > late) throw new Error(`not all replicas are in sync within ${LIMIT_MS} ms`);
  }
}

function settings({ partitions, recordsPerSecond, warmUpMs, calmMs }: Size): string[] {
  return [
    `A topic of ${partitions} partitions with three replicas, the leaders spread evenly. ${CLIENTS.join(', ')}: each writes ` +
      `${recordsPerSecond} records of 1 KiB a second at fixed times, to all partitions in turn, acks=all, idempotent ` +
      'where it can, with its other settings as it comes.',
    `After ${warmUpMs / 1000} s of warm-up each broker in turn is stopped by SIGTERM, started again ${calmMs / 1000} s later, ` +
      'and, once its replicas are in sync, made leader of what it led before (ElectLeaders, preferred).',
    ...DURABILITIES.flatMap((durability) => KINDS.map((kind) => describeCluster(kind, { durability }))),
  ];
}
