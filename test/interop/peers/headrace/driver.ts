/**
 * Headrace's own client as a program of the suites: node driver.ts BOOTSTRAP. Answers JSON requests line by line
 * (process-peer.ts), those that the workloads ask.
 */
import { createInterface } from 'node:readline';
import { Client } from '../../../../src/client/client.ts';
import { keyOf, partitionOf, type Settings } from './life.ts';
import { readerOptions } from './polling.ts';
import { Workload } from './workload.ts';

/** What a request holds besides its name; each operation knows its own. */
// oxlint-disable-next-line typescript/no-explicit-any
type Request = any;

const READ_MS_MAX = 60_000;
const bootstrap = process.argv[2]!;
const client = new Client({ bootstrap, clientId: 'headrace-driver' });
const admin = client.admin();
let workload: Workload | undefined;

const OPERATIONS: Readonly<Record<string, (request: Request) => unknown>> = {
  createTopic: ({ topic, partitions, configs }) => admin.createTopics([{ topic, partitions, configs }]),
  deleteTopic: ({ topic }) => admin.deleteTopics([topic]),
  topics: () => admin.listTopics(),
  partitions: async ({ topic }) => (await admin.describeTopics([topic]))[0]!.partitions.length,
  configs: async ({ topic }) => {
    const entries = await admin.describeConfigs({ type: 'topic', name: topic });
    return Object.fromEntries(entries.map(({ name, value }) => [name, value]));
  },
  alterConfig: ({ topic, name, value }) =>
    admin.alterConfigs({ type: 'topic', name: topic }, { [name]: value }),
  producers: async ({ topic, partition }) => {
    const [found] = await admin.describeProducers([{ topic, partition }]);
    return found!.producers.map((one) => ({
      id: one.producerId,
      epoch: one.producerEpoch,
      sequence: one.lastSequence,
      openSince: one.transactionStartOffset ?? -1,
    }));
  },
  ends: async ({ keys, isolation }) => Object.fromEntries(await endsOf(keys, isolation)),
  readAll: ({ keys, isolation }) => readAll(keys, isolation),
  workload(settings: Settings) {
    workload = new Workload(bootstrap, settings);
  },
  workloadState: () => workload!.state(),
  workloadStop: () => workload!.stop(),
};

async function endsOf(
  keys: readonly string[],
  isolation: 'read_committed' | 'read_uncommitted',
): Promise<Map<string, number>> {
  const found = await admin.listOffsets(
    keys.map((key) => ({ ...partitionOf(key), at: 'latest' as const })),
    { isolation: isolation === 'read_committed' ? 'committed' : 'uncommitted' },
  );
  return new Map(found.map((one) => [keyOf(one), one.offset]));
}

/** Offset, value and key of every record up to the end under an isolation level, by partition. */
async function readAll(
  keys: readonly string[],
  isolation: 'read_committed' | 'read_uncommitted',
): Promise<Record<string, [offset: number, value: string | null, key: string][]>> {
  const found: Record<string, [number, string | null, string][]> = {};
  const assign = keys.map((key) => ({ ...partitionOf(key), from: 'earliest' as const }));
  const consumer = client.consumer({ ...readerOptions(isolation), assign });
  try {
    const ends = await endsOf(keys, isolation);
    const untilMs = performance.now() + READ_MS_MAX;
    // Empty logs are never handed out: their position is the beginning.
    const isBehind = (): boolean =>
      [...ends].some(([key, end]) => end > 0 && !((consumer.position(partitionOf(key)) ?? -1) >= end));
    do {
      if (performance.now() > untilMs) throw new Error(`not at the ends ${JSON.stringify([...ends])}`);
      const batch = await consumer.poll({ timeoutMs: 100 });
      for (const record of batch?.records ?? []) {
        const key = record.key?.toString() ?? '';
        (found[keyOf(record)] ??= []).push([record.offset, record.text, key]);
      }
    } while (isBehind());
    return found;
  } finally {
    await consumer.close();
  }
}

function answer(id: number, fields: object): void {
  process.stdout.write(`${JSON.stringify({ id, ...fields })}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, op, ...request } = JSON.parse(line) as { id: number; op: string };
    const operation = OPERATIONS[op];
    const run = async (): Promise<unknown> => {
      if (operation === undefined) throw new Error(`there is no operation ${op}`);
      return operation(request);
    };
    run().then(
      (result) => answer(id, { result: result ?? null }),
      (error: unknown) => answer(id, { error: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
