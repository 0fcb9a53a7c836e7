/** What DescribeLogDirs tells of the log directories. */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import type { LogEnvironment } from './environment.ts';
import type { TopicPartition } from './file-names.ts';
import type { LogDirectory } from './log-directory.ts';
import type { Log } from './log.ts';

export interface ReplicaDescription extends TopicPartition {
  readonly sizeBytes: number;
  /** How far a future replica is behind the current one, in offsets; 0 for a current one. */
  readonly offsetLag: number;
  readonly isFuture: boolean;
}

export interface DirectoryDescription {
  readonly path: string;
  readonly id: string;
  /** KAFKA_STORAGE_ERROR when it is offline. */
  readonly errorCode: ErrorCode;
  /** -1 when they cannot be told. */
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly partitions: readonly ReplicaDescription[];
}

/** `logs` are the current ones of all directories, by partition name. */
export function describeDirectories(
  environment: LogEnvironment,
  directories: readonly LogDirectory[],
  logs: ReadonlyMap<string, Log>,
): DirectoryDescription[] {
  return directories.map((directory) => {
    const { path, id, failure } = directory;
    const partitions: ReplicaDescription[] = [];
    for (const [isFuture, held] of [
      [false, directory.logs],
      [true, directory.futures],
    ] as const) {
      for (const [name, log] of held) {
        const { topic, partition } = log;
        const current = isFuture ? logs.get(name) : undefined;
        const offsetLag = Math.max(0, (current?.logEndOffset ?? log.logEndOffset) - log.logEndOffset);
        partitions.push({
          topic,
          partition,
          sizeBytes: failure === undefined ? log.sizeBytes : 0,
          offsetLag,
          isFuture,
        });
      }
    }
    const errorCode = failure === undefined ? Errors.NONE : Errors.KAFKA_STORAGE_ERROR;
    return { path, id, errorCode, ...spaceOf(environment, directory), partitions };
  });
}

function spaceOf(
  environment: LogEnvironment,
  directory: LogDirectory,
): { totalBytes: number; usableBytes: number } {
  if (directory.failure !== undefined) return { totalBytes: -1, usableBytes: -1 };
  try {
    return environment.disk.space(directory.path);
  } catch {
    return { totalBytes: -1, usableBytes: -1 };
  }
}
