/**
 * What does a message cost whoever produces it from JavaScript? `node bench/client-produce.ts [--rounds N] [--bytes
 * B] [--kafka] [PATTERN...]`: our client, kafkajs and @platformatic/kafka, the same messages to the same broker
 * (Headrace, or Kafka 4.3.1), relaxed durability, each in a process of its own, by turns. Three ways: `batch`, calls
 * of 100 messages, eight under way; `many`, calls of one message, 500 under way; `await`, one message after the
 * other. Names are of the form client/way.
 */
import { parseArgs } from 'node:util';
import { inProcess, line, measured, type Figures } from './lib/clients/measured.ts';
import { PRODUCERS, type BenchProducer } from './lib/clients/producers.ts';
import { createTopics } from './lib/topics.ts';
import { start } from './lib/servers.ts';

const PARTITIONS = 6;
const BATCH = 100;
const WAYS = {
  batch: { messages: 600_000, warmUp: 200_000, underWay: 8 },
  many: { messages: 200_000, warmUp: 50_000, underWay: 500 },
  await: { messages: 5_000, warmUp: 1_000, underWay: 1 },
} as const;
type Way = keyof typeof WAYS;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    bytes: { type: 'string', default: '100' },
    kafka: { type: 'boolean', default: false },
    /** In the child: where the broker is. */
    bootstrap: { type: 'string' },
  },
});

/** `underWay` calls at a time until all messages are sent. */
async function produce(producer: BenchProducer, way: Way, messages: number): Promise<void> {
  const value = Buffer.alloc(Number(values.bytes), 'x');
  const many = Array.from({ length: BATCH }, () => value);
  const perCall = way === 'batch' ? BATCH : 1;
  let left = messages / perCall;
  let turn = 0;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const partition = turn++ % PARTITIONS;
      await (way === 'batch'
        ? producer.sendMany('bench', partition, many)
        : producer.send('bench', partition, value));
    }
  };
  await Promise.all(Array.from({ length: WAYS[way].underWay }, worker));
}

async function child(name: string, bootstrap: string): Promise<void> {
  const [client, way] = name.split('/') as [string, Way];
  const producer = await PRODUCERS[client]!(bootstrap);
  const { messages, warmUp } = WAYS[way];
  await produce(producer, way, warmUp);
  console.log(JSON.stringify(await measured(messages, () => produce(producer, way, messages))));
  await producer.close();
}

async function parent(): Promise<void> {
  const names = Object.keys(WAYS)
    .flatMap((way) => Object.keys(PRODUCERS).map((client) => `${client}/${way}`))
    .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  const server = await start(values.kafka ? 'kafka' : 'headrace', { durability: 'relaxed' });
  const figures = new Map<string, Figures[]>(names.map((name) => [name, []]));
  try {
    const bootstrap = `127.0.0.1:${server.port}`;
    await createTopics(server.port, [{ topic: 'bench', partitions: PARTITIONS }]);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        const args = [name, '--bootstrap', bootstrap, '--bytes', values.bytes];
        figures.get(name)!.push(await inProcess(import.meta.filename, args));
      }
    }
  } finally {
    await server.discard();
  }
  for (const [name, all] of figures) console.log(line(name, all));
}

await (values.bootstrap === undefined ? parent() : child(positionals[0]!, values.bootstrap));
