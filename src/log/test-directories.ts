/** For tests of log directories: two of them, logs with small segments, and batches to put in. */
import assert from 'node:assert/strict';
import { buildBatch } from '../protocol/records.ts';
import type { SimulatedDiskOptions } from '../runtime/simulated-disk.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import type { LogDirectories, LogDirectoriesOptions } from './log-directories.ts';
import type { Log } from './log.ts';
import { DEFAULT_LOG_SETTINGS } from './settings.ts';
import { openDirectories } from './test-log.ts';

export const ID = 'I'.repeat(16);
export const settings = { ...DEFAULT_LOG_SETTINGS, segmentBytes: 500, fileDeleteDelayMs: 1000 };

export function open(
  ports: SimulatedPorts,
  change: Partial<LogDirectoriesOptions> = {},
): Promise<LogDirectories> {
  return openDirectories(ports, { directories: ['/a', '/b'], settingsFor: () => settings, ...change });
}

export function ports(disk: Partial<SimulatedDiskOptions> = {}): SimulatedPorts {
  return simulatedPorts({ seed: 1, disk });
}

export function append(log: Log, count: number, nowMs: number): void {
  for (let left = count; left > 0; left--) {
    const records = [{ key: null, value: Buffer.alloc(50), timestamp: nowMs }];
    const result = log.appendAsLeader(buildBatch({ records }), { leaderEpoch: 0, origin: 'client', nowMs });
    assert.equal(result.errorCode, 0, result.errorMessage ?? '');
  }
}
