/** What all logs of a process share: the ports, and the budgets for memory and descriptors. */
import type { Clock, Disk, Logger, Random, Timers } from '../base/ports.ts';
import { BatchCache } from './batch-cache.ts';
import { LoadedIndexes, OpenFiles } from './open-files.ts';
import { OwnTimers } from './own-timers.ts';
import { RecordWalker } from './record-walker.ts';

export interface LogEnvironment {
  readonly clock: Clock;
  readonly timers: OwnTimers;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly cache: BatchCache;
  readonly openFiles: OpenFiles;
  readonly loadedIndexes: LoadedIndexes;
  readonly walker: RecordWalker;
  /** producer.id.expiration.ms */
  readonly producerIdExpirationMs: number;
}

export interface LogPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
}

export interface LogLimits {
  readonly cacheBytesMax?: number;
  readonly openFilesMax?: number;
  readonly loadedIndexBytesMax?: number;
  readonly producerIdExpirationMs?: number;
}

const PRODUCER_ID_EXPIRATION_MS = 86_400_000;

export function logEnvironment(ports: LogPorts, limits: LogLimits = {}): LogEnvironment {
  return {
    clock: ports.clock,
    timers: new OwnTimers(ports.timers),
    random: ports.random,
    disk: ports.disk,
    logger: ports.logger,
    cache: new BatchCache(limits.cacheBytesMax),
    openFiles: new OpenFiles(limits.openFilesMax),
    loadedIndexes: new LoadedIndexes(limits.loadedIndexBytesMax),
    walker: new RecordWalker(),
    producerIdExpirationMs: limits.producerIdExpirationMs ?? PRODUCER_ID_EXPIRATION_MS,
  };
}
