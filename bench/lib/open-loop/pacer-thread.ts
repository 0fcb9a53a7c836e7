/**
 * The thread that wakes an open-loop generator when the next request is due. Timers of the event loop are exact to a
 * millisecond, which is as much as a fast broker takes, and spinning would take a whole core from the broker. A thread that
 * sleeps in the kernel is exact to some 50 us and costs a few percent of a core.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { nowMicros } from './clock.ts';
import { PENDING, STOPPED, type Pace } from './pacer.ts';

const { startMicros, intervalMicros, shared } = workerData as Pace;

for (let tick = 0; Atomics.load(shared, STOPPED) === 0;) {
  const waitMicros = startMicros + tick * intervalMicros - nowMicros();
  if (waitMicros > 0) {
    Atomics.wait(shared, STOPPED, 0, waitMicros / 1_000);
    continue;
  }
  // A generator that has not yet seen the last tick will send all that is due when it does.
  if (Atomics.exchange(shared, PENDING, 1) === 0) parentPort!.postMessage(0);
  tick = Math.floor((nowMicros() - startMicros) / intervalMicros) + 1;
}
