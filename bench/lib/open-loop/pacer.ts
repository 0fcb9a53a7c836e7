/** Calls back at fixed times, to about 0.1 ms, by means of a thread that sleeps until then. */
import path from 'node:path';
import { Worker } from 'node:worker_threads';

/** Places in `Pace.shared`. */
export const STOPPED = 0;
export const PENDING = 1;

export interface Pace {
  readonly startMicros: number;
  readonly intervalMicros: number;
  readonly shared: Int32Array<SharedArrayBuffer>;
}

/** More often than this nothing is woken; what is due meanwhile goes out together. */
export const INTERVAL_MICROS_MIN = 200;

/** Ticks from `startMicros` on, until the function that is answered is called. */
export function startPacer(
  pace: { readonly startMicros: number; readonly intervalMicros: number },
  onTick: () => void,
): () => void {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const intervalMicros = Math.max(INTERVAL_MICROS_MIN, pace.intervalMicros);
  const workerData: Pace = { ...pace, intervalMicros, shared };
  const thread = new Worker(path.join(import.meta.dirname, 'pacer-thread.ts'), { workerData });
  thread.on('message', () => {
    Atomics.store(shared, PENDING, 0);
    onTick();
  });
  thread.on('error', (error) => {
    throw error;
  });
  return () => {
    thread.removeAllListeners('message');
    Atomics.store(shared, STOPPED, 1);
    Atomics.notify(shared, STOPPED);
  };
}
