/**
 * What does a message cost whoever consumes it in JavaScript? `node bench/client-consume.ts [--rounds N] [--bytes B] [--kafka]
 * [PATTERN...]`: our client, kafkajs and @platformatic/kafka read the same topic from the same broker (Headrace, or
 * Kafka 4.3.1), each in a process of its own, by turns. The messages lie in batches of about 16 KiB, as Java's
 * producer makes them.
 */
import { parseArgs } from 'node:util';
import { Client } from '../src/client/client.ts';
import { CONSUMERS } from './lib/clients/consumers.ts';
import { inProcess, line, measured, type Figures } from './lib/clients/measured.ts';
import { createTopics } from './lib/topics.ts';
import { start } from './lib/servers.ts';

const PARTITIONS = 6;
const BATCH_BYTES = 16 * 1024;
const MESSAGES = 1_200_000;
/** Of these, how many warm up the client: they come from the same topic. */
const WARM_UP = 300_000;
const CALL = 5_000;

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

async function child(name: string, bootstrap: string): Promise<void> {
  const consume = CONSUMERS[name]!;
  const valueBytes = Number(values.bytes);
  const read = (messages: number): Promise<void> => {
    let left = messages;
    return consume(bootstrap, 'bench', (value) => {
      if (value?.length !== valueBytes) throw new Error(`a value of ${value?.length} bytes`);
      left -= 1;
      return left === 0;
    });
  };
  await read(WARM_UP);
  console.log(JSON.stringify(await measured(MESSAGES, () => read(MESSAGES))));
}

async function fill(bootstrap: string): Promise<void> {
  await using client = new Client({ bootstrap });
  const producer = client.producer({ batchBytes: BATCH_BYTES });
  const value = Buffer.alloc(Number(values.bytes), 'x');
  for (let sent = 0; sent < MESSAGES; sent += CALL) {
    const partition = (sent / CALL) % PARTITIONS;
    await producer.sendAll(Array.from({ length: CALL }, () => ({ topic: 'bench', partition, value })));
  }
}

async function parent(): Promise<void> {
  const names = Object.keys(CONSUMERS).filter(
    (name) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
  );
  const server = await start(values.kafka ? 'kafka' : 'headrace', { durability: 'relaxed' });
  const figures = new Map<string, Figures[]>(names.map((name) => [name, []]));
  try {
    const bootstrap = `127.0.0.1:${server.port}`;
    await createTopics(server.port, [{ topic: 'bench', partitions: PARTITIONS }]);
    await fill(bootstrap);
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
