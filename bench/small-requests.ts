/** One small record a request: what the broker does for a request, where bytes do not matter. */
import type { Sample } from './lib/load/measure.ts';
import {
  BASE_LOAD,
  limits,
  limitsText,
  produceWindow,
  withSides,
  type ProduceLoad,
} from './lib/load/sides.ts';
import { REMOVE_SOON } from './lib/topics.ts';
import { KINDS, row, type BySide, type Question } from './lib/question.ts';
import { describe } from './lib/servers.ts';

interface Case {
  readonly label: string;
  readonly load: ProduceLoad;
}

const CASES: readonly Case[] = [
  { clients: 1, inFlight: 1 },
  { clients: 8, inFlight: 1 },
  { clients: 8, inFlight: 5 },
  { clients: 64, inFlight: 1 },
].map(({ clients, inFlight }) => ({
  label: `${clients} ${clients === 1 ? 'client' : 'clients'}, ${inFlight} in flight`,
  load: { ...BASE_LOAD, valueBytes: 100, recordsPerBatch: 1, partitions: 1, clients, inFlight },
}));

export const question: Question = {
  name: 'small-requests',
  title: 'Small produce requests',
  asks:
    'How many requests a second does the broker answer when each carries one record of 100 B, as from producers that do not ' +
    'wait for more (`linger.ms=0`) and have little to send? Many services send so; what counts is the cost of a request.',
  minutes: 4,
  answers: [
    {
      says: 'answers',
      where: 'one record of 100 B in each, 8 producers that wait for each answer',
      table: 'Requests answered',
      row: '8 clients, 1 in flight',
    },
  ],
  async run(context) {
    const found = new Map<Case, BySide<Sample>>();
    await withSides(context, { durability: 'relaxed' }, async (sides) => {
      for (const one of CASES) {
        const samples = await context.alternate((kind, round) =>
          produceWindow(sides[kind], one.load, { ...limits(context, round), quick: context.quick }),
        );
        found.set(one, samples);
        const rates = KINDS.map((kind) =>
          samples[kind].map((each) => each.requestsPerSecond.toFixed(0)).join(' '),
        );
        context.log(`${one.label}: Headrace ${rates[0]}, Kafka ${rates[1]} requests/s`);
      }
    });
    const rows = (pick: (sample: Sample) => number, unit: string, better: 'higher' | 'lower') =>
      [...found].map(([{ label }, samples]) => row(samples, pick, { label, unit, better }));
    return {
      settings: [
        'A client is a connection. One topic of one partition, acks=all with one replica, acknowledged from the page cache; ' +
          'one record of 100 B a batch, one batch a request.',
        limitsText(context),
        ...KINDS.map((kind) => describe(kind, { durability: 'relaxed', settings: REMOVE_SOON })),
      ],
      tables: [
        { title: 'Requests answered', rows: rows((one) => one.requestsPerSecond, 'requests/s', 'higher') },
        {
          title: "Broker's processor time for 1,000 requests",
          rows: rows((one) => one.brokerCpuSecondsPerThousandRequests * 1000, 'ms', 'lower'),
        },
        {
          title: 'Who was the bottleneck: processors busy in the broker',
          isInformation: true,
          rows: rows((one) => one.brokerCores, 'cores', 'lower'),
        },
        {
          title: 'Who was the bottleneck: processors busy in the load generator',
          isInformation: true,
          rows: rows((one) => one.loadCores, 'cores', 'lower'),
        },
      ],
    };
  },
};
