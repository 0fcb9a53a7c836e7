/**
 * Waits until the device has nothing left to do of what was before: dirty pages of the last phase, and the space of removed
 * files, which some file systems give back to the device (`discard`) after the removal, for a third of a second per GB.
 * Else one side's measurement would pay for the other's, or for its own warm-up.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 100;
/** So long nothing was written or given back. */
const QUIET_MS = 500;
const WAIT_MS_MAX = 30_000;

/** Does not wait longer than half a minute: somebody else may use the device. */
export async function quietDisk(folder: string): Promise<void> {
  execFileSync('sync', ['-f', folder]);
  let before = activityOf(folder);
  let quietMs = 0;
  for (let waitedMs = 0; quietMs < QUIET_MS && waitedMs < WAIT_MS_MAX; waitedMs += LOOK_MS) {
    await delay(LOOK_MS);
    const now = activityOf(folder);
    quietMs = now === before ? quietMs + LOOK_MS : 0;
    before = now;
  }
}

/** Sectors written and discarded by the device so far; 0 for a folder that is on none, as in memory. */
function activityOf(folder: string): number {
  const { dev } = statSync(folder);
  // Linux's numbering (makedev).
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  for (const line of readFileSync('/proc/diskstats', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    // Documentation/admin-guide/iostats.rst: field 7 after the name is sectors written, 14 is sectors discarded.
    if (Number(fields[0]) === major && Number(fields[1]) === minor)
      return Number(fields[9]) + Number(fields[16] ?? 0);
  }
  return 0;
}
