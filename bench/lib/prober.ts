/**
 * Writes to each partition of a replicated topic, one record after the other with acks=all, whatever becomes of the brokers:
 * the way of a client that retries and asks for the leaders again. It notes when each record was acknowledged.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { WireClient } from '../wire-client.ts';
import type { Cluster } from './cluster-servers.ts';
import { viewOf } from './cluster-topics.ts';
import { oneRecord } from './partitions.ts';
import { HOST } from './server-process.ts';

/** Between two records of a partition, and before a record that failed is tried again. */
const PAUSE_MS = 10;
/** A broker that does not answer is taken for gone after this time. */
const REQUEST_MS_MAX = 1_000;

export interface Probe {
  /** Times of acknowledgement by partition (performance.now), ascending. */
  readonly acknowledgedMs: readonly (readonly number[])[];
  /** How many requests failed and were tried again. */
  readonly failures: () => number;
  stop(): Promise<void>;
}

export function startProbe(cluster: Cluster, topic: string, partitions: number): Probe {
  const acknowledgedMs = Array.from({ length: partitions }, (): number[] => []);
  let isOver = false;
  let failed = 0;
  const write = async (partition: number): Promise<void> => {
    let leader: WireClient | undefined;
    let asked = partition;
    while (!isOver) {
      try {
        leader ??= await connectToLeader(cluster, { topic, partition, asked: asked++ });
        await within(REQUEST_MS_MAX, produceOne(leader, topic, partition));
        acknowledgedMs[partition].push(performance.now());
      } catch {
        failed += 1;
        leader?.close();
        leader = undefined;
      }
      await delay(PAUSE_MS);
    }
    leader?.close();
  };
  const writing = Promise.all(acknowledgedMs.map((_, partition) => write(partition)));
  return {
    acknowledgedMs,
    failures: () => failed,
    async stop() {
      isOver = true;
      await writing;
    },
  };
}

/** The brokers are asked in turn, since any of them may be gone. */
async function connectToLeader(
  cluster: Cluster,
  { topic, partition, asked }: { topic: string; partition: number; asked: number },
): Promise<WireClient> {
  const { port } = cluster.nodes[asked % cluster.nodes.length];
  const views = await within(REQUEST_MS_MAX, viewOf(port, topic));
  const leader = views[partition]?.leader ?? -1;
  if (leader < 0) throw new Error('nobody leads it');
  return within(REQUEST_MS_MAX, WireClient.connect(HOST, cluster.node(leader).port));
}

async function produceOne(client: WireClient, topic: string, partition: number): Promise<void> {
  const partitionData = [{ index: partition, records: oneRecord() }];
  const body = {
    acks: -1,
    timeoutMs: REQUEST_MS_MAX,
    topicData: [{ name: topic, topicId: '', partitionData }],
  };
  const { responses } = await client.call(ProduceRequest, ProduceResponse, { version: 9, body });
  const { errorCode } = responses[0].partitionResponses[0];
  if (errorCode !== 0) throw new Error(`error ${errorCode}`);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const end = new AbortController();
  const late = delay(ms, undefined, { signal: end.signal }).then(() => {
    throw new Error(`no answer within ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    end.abort();
    promise.catch(() => {});
  }
}
