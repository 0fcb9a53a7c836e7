/**
 * Reading for a Fetch request within the memory that the process has for answers. While there is little, less is read
 * than was asked for, but a whole batch always; while there is none the request waits, as it does for data.
 */
import type { RequestContext } from './context.ts';
import { readTargets, type FetchLimits, type FetchTarget, type PartitionRead } from './fetch-read.ts';
import type { Services } from './services.ts';

/** What a read is worth at least; a topic's largest batch, if that is more. */
const READ_BYTES_MIN = 64 * 1024;

export interface BudgetedRead {
  readonly reads: readonly PartitionRead[];
  /** So many bytes were allowed, which may be fewer than the request's own limit. */
  readonly maxBytes: number;
}

/** Undefined: not now. */
export function readWithin(
  { memory, ports }: Services,
  targets: readonly FetchTarget[],
  limits: FetchLimits,
): BudgetedRead | Promise<BudgetedRead> | undefined {
  const reservation = memory.reserveResponse(limits.maxBytes, readBytesMin(targets));
  if (reservation === undefined) return undefined;
  const { bytes: maxBytes, release } = reservation;
  let reads: PartitionRead[] | Promise<PartitionRead[]>;
  try {
    reads = readTargets(targets, { ...limits, maxBytes });
  } catch (error) {
    release();
    throw error;
  }
  if (reads instanceof Promise) {
    // A turn later, when the connection has counted the answer.
    const releaseSoon = (): void => ports.timers.soon(release);
    return reads.then((settled) => ({ reads: settled, maxBytes })).finally(releaseSoon);
  }
  release();
  return { reads, maxBytes };
}

/**
 * As `readWithin`, but waits for memory until the deadline (monotonic ms); nothing is read then. Undefined: the client
 * has gone.
 */
export async function readWhenRoom(
  targets: readonly FetchTarget[],
  limits: FetchLimits,
  deadlineMs: number,
  context: RequestContext,
  services: Services,
): Promise<BudgetedRead | undefined> {
  const { ports } = services;
  for (;;) {
    const read = readWithin(services, targets, limits);
    if (read !== undefined) return read;
    const waitMs = deadlineMs - ports.clock.monotonicMs();
    const outcome = waitMs <= 0 ? 'time over' : await whenRoom(waitMs, context, services);
    if (outcome === 'gone') return undefined;
    if (outcome === 'room') continue;
    const reads = await readTargets(targets, { ...limits, maxBytes: 0, isDry: true });
    return { reads, maxBytes: 0 };
  }
}

function whenRoom(
  waitMs: number,
  context: RequestContext,
  services: Services,
): Promise<'room' | 'time over' | 'gone'> {
  return new Promise((resolve) => {
    const undo: (() => void)[] = [];
    const end = (outcome: 'room' | 'time over' | 'gone'): void => {
      for (const step of undo.splice(0)) step();
      resolve(outcome);
    };
    const waiting = { reconsider: () => {}, finish: () => end('time over') };
    undo.push(services.memory.whenResponseRoom(() => end('room')));
    const deadline = services.deadlines.after(waitMs, () => end('time over'));
    undo.push(() => deadline.cancel());
    undo.push(context.onDisconnect(() => end('gone')));
    undo.push(() => services.delayedFetches.forget(waiting));
    if (!services.delayedFetches.add(waiting)) end('time over');
  });
}

function readBytesMin(targets: readonly FetchTarget[]): number {
  let bytes = READ_BYTES_MIN;
  for (const { partition } of targets) {
    const largest = partition?.log?.settings.maxMessageBytes ?? 0;
    if (largest > bytes) bytes = largest;
  }
  return bytes;
}
