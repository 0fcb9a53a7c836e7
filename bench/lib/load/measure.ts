/** A timed window on a load that is already running: what the clients got done, and what the broker and they themselves used. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Usage } from '../usage.ts';
import type { Counters } from './job.ts';
import type { Load } from './load.ts';

const LOOK_MS = 50;
/** A window lasts until so many requests are through, however slow they are; fewer say nothing about a rate. */
const REQUESTS_MIN = 20;
const WINDOW_MS_MAX = 60_000;

export interface WindowLimits {
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** The window ends early here, and the warm-up at half of it: disk and page cache are finite. */
  readonly bytesMax: number;
}

/** MB and GB are 1e6 and 1e9 bytes of record batches. */
export interface Sample {
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly requestsPerSecond: number;
  readonly recordsPerSecond: number;
  readonly brokerCpuSecondsPerGigabyte: number;
  readonly brokerCpuSecondsPerThousandRequests: number;
  /** Processors that were busy on average. */
  readonly brokerCores: number;
  readonly loadCores: number;
  /** The most that was resident during the window. */
  readonly rssPeakMiB: number;
}

/** What is watched meanwhile: a broker's process, or all of a cluster's. */
export interface Watched {
  usage(): Pick<Usage, 'cpuSeconds' | 'rssPeakMiB'>;
  resetPeak(): void;
}

/** Lets `load` run unmeasured for the warm-up, then measures. The load goes on. */
export async function measure(
  load: Load,
  server: Watched,
  { warmUpMs, windowMs, bytesMax }: WindowLimits,
): Promise<Sample> {
  const begun = await load.counters();
  await until(load, begun, { forMs: warmUpMs, bytesMax: bytesMax / 2 });
  server.resetPeak();
  const before = await load.counters();
  const usedBefore = server.usage();
  await until(load, before, { forMs: windowMs, bytesMax });
  const after = await load.counters();
  const used = server.usage();
  const seconds = (after.atMs - before.atMs) / 1000;
  const bytes = after.bytes - before.bytes;
  const requests = after.requests - before.requests;
  const brokerCpuSeconds = used.cpuSeconds - usedBefore.cpuSeconds;
  if (bytes === 0) throw new Error('nothing was moved in the window');
  return {
    seconds,
    megabytesPerSecond: bytes / 1e6 / seconds,
    requestsPerSecond: requests / seconds,
    recordsPerSecond: (after.records - before.records) / seconds,
    brokerCpuSecondsPerGigabyte: brokerCpuSeconds / (bytes / 1e9),
    brokerCpuSecondsPerThousandRequests: brokerCpuSeconds / (requests / 1000),
    brokerCores: brokerCpuSeconds / seconds,
    loadCores: (after.cpuSeconds - before.cpuSeconds) / seconds,
    rssPeakMiB: used.rssPeakMiB,
  };
}

async function until(
  load: Load,
  since: Counters,
  { forMs, bytesMax }: { readonly forMs: number; readonly bytesMax: number },
): Promise<void> {
  for (;;) {
    const { atMs, bytes, requests } = await load.counters();
    const tookMs = atMs - since.atMs;
    const isOver = tookMs >= forMs || bytes - since.bytes >= bytesMax;
    if (tookMs >= WINDOW_MS_MAX || (isOver && requests - since.requests >= REQUESTS_MIN)) return;
    await delay(Math.min(LOOK_MS, Math.max(1, forMs - tookMs)));
  }
}
