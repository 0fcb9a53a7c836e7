/**
 * What a killed broker leaves behind, kept so that several starts find the same state. Each start gets a copy in which the
 * big segments are hard links: a recovery reads them and at most appends, while everything it writes anew (indexes,
 * checkpoints, metadata) is a file of its own.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { WireClient } from '../wire-client.ts';
import { filledBatch, produce } from './partitions.ts';
import type { Kind } from './question.ts';
import { benchFolder, HOST, start, type ServerOptions } from './servers.ts';
import { createTopics } from './topics.ts';

const BATCH_BYTES = 64 * 1024;
const RECORD_BYTES = 1024;
const CONNECTIONS = 4;
const TOPIC = 'big';
/** Smaller files are copied. */
const LINKED_BYTES_MIN = 4 * 1024 * 1024;

export interface Crashed {
  readonly kind: Kind;
  readonly dataDir: string;
  readonly topic: string;
}

/** Writes `logBytes` of batches, kills the broker, and has the kernel write everything to the device. */
export async function loadForCrash(
  kind: Kind,
  options: ServerOptions & { readonly logBytes: number; readonly partitions: number },
): Promise<Crashed> {
  const { logBytes, partitions, ...rest } = options;
  const server = await start(kind, rest);
  await createTopics(server.port, [{ topic: TOPIC, partitions }]);
  const batch = filledBatch({ recordBytes: RECORD_BYTES, sizeBytes: BATCH_BYTES });
  let left = Math.ceil(logBytes / (batch.length * partitions));
  const all = Array.from({ length: partitions }, (_, index) => index);
  const write = async (): Promise<void> => {
    const client = await WireClient.connect(HOST, server.port);
    while (left-- > 0) await produce(client, { topic: TOPIC, partitions: all, batch });
    client.close();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, write));
  await server.kill();
  for (const file of filesOf(server.dataDir)) {
    const descriptor = openSync(path.join(server.dataDir, file), 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
  return { kind, dataDir: server.dataDir, topic: TOPIC };
}

/** A new folder in the same state. */
export function copyCrashed({ kind, dataDir }: Crashed): string {
  const copy = mkdtempSync(path.join(benchFolder(), `headrace-bench-${kind}-copy-`));
  const small: string[] = [];
  for (const file of filesOf(dataDir)) {
    const isSegment = path.basename(file).endsWith('.log');
    if (!isSegment || statSync(path.join(dataDir, file)).size < LINKED_BYTES_MIN) {
      small.push(file);
      continue;
    }
    mkdirSync(path.join(copy, path.dirname(file)), { recursive: true });
    linkSync(path.join(dataDir, file), path.join(copy, file));
  }
  // Indexes are sparse files; copied as such they cost what they hold.
  execFileSync('cp', ['-a', '--sparse=always', '--parents', ...small, copy], { cwd: dataDir });
  return copy;
}

export function releaseCrashed({ dataDir }: Crashed): void {
  rmSync(dataDir, { recursive: true, force: true });
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
}
