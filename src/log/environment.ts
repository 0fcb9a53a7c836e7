/** What all logs of a process share: the ports, and the budgets for memory and descriptors. */
import { SlabPool } from '../base/slab-pool.ts';
import type { Clock, Disk, Logger, Random, Timers } from '../base/ports.ts';
import { LoadedIndexes, OpenFiles } from './open-files.ts';
import { OwnTimers } from './own-timers.ts';
import { RecentAppends } from './recent-appends.ts';
import { RecordWalker } from './record-walker.ts';

export interface LogEnvironment {
  readonly clock: Clock;
  readonly timers: OwnTimers;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  /** What is read from files lies in these. */
  readonly slabs: SlabPool;
  readonly recentAppends: RecentAppends;
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
  readonly slabs?: SlabPool;
  readonly recentBytesMax?: number;
  readonly openFilesMax?: number;
  readonly loadedIndexBytesMax?: number;
  readonly producerIdExpirationMs?: number;
}

/** Far less than the page cache of any machine that serves so much. */
const RECENT_BYTES_MAX = 256 * 1024 * 1024;
const PRODUCER_ID_EXPIRATION_MS = 86_400_000;

export function logEnvironment(ports: LogPorts, limits: LogLimits = {}): LogEnvironment {
  return {
    clock: ports.clock,
    timers: new OwnTimers(ports.timers),
    random: ports.random,
    disk: ports.disk,
    logger: ports.logger,
    slabs: limits.slabs ?? new SlabPool({ keptBytesMax: 0 }),
    recentAppends: new RecentAppends(limits.recentBytesMax ?? RECENT_BYTES_MAX),
    openFiles: new OpenFiles(limits.openFilesMax),
    loadedIndexes: new LoadedIndexes(limits.loadedIndexBytesMax),
    walker: new RecordWalker(),
    producerIdExpirationMs: limits.producerIdExpirationMs ?? PRODUCER_ID_EXPIRATION_MS,
  };
}
