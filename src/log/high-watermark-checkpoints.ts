/** The high watermarks that are written down (replication-offset-checkpoint), in the directory that each log is in. */
import type { PartitionOffset } from './checkpoint-file.ts';
import * as names from './file-names.ts';
import type { LogDirectory } from './log-directory.ts';

/** By partition name (`topic-partition`). */
export function readHighWatermarks(directories: readonly LogDirectory[]): Map<string, number> {
  const highWatermarks = new Map<string, number>();
  for (const directory of directories) {
    if (directory.failure !== undefined) continue;
    for (const [name, offset] of directory.readCheckpoint(names.HIGH_WATERMARK_CHECKPOINT)) {
      if (directory.logs.has(name)) highWatermarks.set(name, offset);
    }
  }
  return highWatermarks;
}

/** `highWatermarks` by partition name. */
export async function writeHighWatermarks(
  directories: readonly LogDirectory[],
  highWatermarks: ReadonlyMap<string, number>,
): Promise<void> {
  const writes = directories.map((directory) => {
    const offsets: PartitionOffset[] = [];
    for (const [name, log] of directory.logs) {
      const offset = highWatermarks.get(name);
      if (offset !== undefined) offsets.push({ topic: log.topic, partition: log.partition, offset });
    }
    return directory.checkpointHighWatermarks(offsets);
  });
  await Promise.all(writes);
}
