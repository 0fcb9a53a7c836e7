/** What a broker holds while it runs for minutes: memory, descriptors and disk, looked at every few seconds. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { slopeOf } from '../percentiles.ts';
import type { Server } from '../servers.ts';

export interface Look {
  /** Since the watch began. */
  readonly minute: number;
  readonly rssMiB: number;
  readonly descriptors: number;
  readonly diskMiB: number;
}

export interface Watch {
  readonly looks: readonly Look[];
  stop(): void;
}

/** Sparse files count with what they take. */
export function diskMiB(folder: string): number {
  const blocks = namesIn(folder).flatMap((name) => {
    const files = namesIn(path.join(folder, name)).map((file) => path.join(folder, name, file));
    return [path.join(folder, name), ...files].map(blocksOf);
  });
  return (blocks.reduce((sum, one) => sum + one, 0) * 512) / 2 ** 20;
}

/** None for a file, and for a folder that was deleted since it was listed. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** 0 for what was deleted since it was listed. */
function blocksOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.blocks ?? 0;
}

export function watch(server: Server, everySeconds: number): Watch {
  const looks: Look[] = [];
  const startedAt = performance.now();
  const look = (): void => {
    const { rssMiB, descriptors } = server.usage();
    const minute = (performance.now() - startedAt) / 60_000;
    looks.push({ minute, rssMiB, descriptors, diskMiB: diskMiB(server.logDir) });
  };
  look();
  const timer = setInterval(look, everySeconds * 1_000);
  return { looks, stop: () => clearInterval(timer) };
}

/** For the progress lines. */
export function lookText({ rssMiB, descriptors, diskMiB: disk }: Look): string {
  return `${rssMiB.toFixed(0)} MiB, ${descriptors} descriptors, disk ${disk.toFixed(0)} MiB`;
}

/** How a figure moved in the second half of a watch. */
export interface Trend {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** By least squares. */
  readonly perMinute: number;
  /** What that makes over the half, as a share of the mean. */
  readonly growth: number;
}

export function trendOf(looks: readonly Look[], pick: (look: Look) => number): Trend {
  const half = looks.slice(looks.length >> 1);
  const values = half.map(pick);
  const perMinute = slopeOf(half.map((look) => [look.minute, pick(look)] as const));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const minutes = half.at(-1)!.minute - half[0].minute;
  return {
    min: Math.min(...values),
    max: Math.max(...values),
    mean,
    perMinute,
    growth: (perMinute * minutes) / mean,
  };
}
