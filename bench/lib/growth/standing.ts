/** What stands there without load: a start with more and more partitions, memory with more and more connections. */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { connectMany } from '../connections.ts';
import type { BySide, Context, Kind } from '../question.ts';
import { start } from '../servers.ts';
import { growPartitions, roundsWith } from '../partitions.ts';
import type { WireClient } from '../../wire-client.ts';
import type { Growth } from './chart.ts';

const OPTIONS = { durability: 'relaxed' } as const;
const SETTLE_MS = 1000;

export interface StartSample {
  readonly readyMs: number;
  readonly rssMiB: number;
}

/** One folder a side, grown from size to size; every round starts on it and stops again. */
export async function startsByPartitions(
  context: Context,
  sizes: readonly number[],
): Promise<Growth<StartSample>[]> {
  const folders: Partial<Record<Kind, string>> = {};
  const found: Growth<StartSample>[] = [];
  try {
    for (const [index, size] of sizes.entries()) {
      context.log(`starts with ${size} partitions`);
      for (const kind of context.kinds) {
        const dataDir = folders[kind];
        const server = await start(kind, { ...OPTIONS, ...(dataDir === undefined ? {} : { dataDir }) });
        folders[kind] = server.dataDir;
        await growPartitions(server.port, { from: sizes[index - 1] ?? 0, to: size });
        await server.stop();
      }
      const samples = await context.alternate(async (kind) => {
        const server = await start(kind, { ...OPTIONS, dataDir: folders[kind]! });
        await delay(SETTLE_MS);
        const { rssMiB } = server.usage();
        await server.stop();
        return { readyMs: server.readyMs, rssMiB };
      }, roundsWith(size));
      found.push({ size, samples });
    }
    return found;
  } finally {
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true, force: true });
  }
}

/** One broker a round, from an empty folder, with more and more connections; its resident MiB. */
export async function memoryByConnections(
  context: Context,
  sizes: readonly number[],
): Promise<Growth<number>[]> {
  const rounds: BySide<number[]> = await context.alternate(async (kind) => {
    context.log(`memory with connections, ${kind}`);
    const server = await start(kind, OPTIONS);
    const clients: WireClient[] = [];
    const memory: number[] = [];
    try {
      for (const size of sizes) {
        clients.push(...(await connectMany(server.port, size - clients.length)));
        await delay(SETTLE_MS);
        memory.push(server.usage().rssMiB);
      }
      return memory;
    } finally {
      for (const client of clients) client.close();
      await server.discard();
    }
  });
  return sizes.map((size, index) => {
    const at = (kind: Kind): number[] => rounds[kind].map((memory) => memory[index]!);
    return { size, samples: { headrace: at('headrace'), kafka: at('kafka') } };
  });
}
