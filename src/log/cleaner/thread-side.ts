/** The side of a cleaning that runs in its own thread: takes jobs, asks the main thread for steps and swaps. */
import { DiskError, type Clock, type Disk, type ThreadPort } from '../../base/ports.ts';
import { assert } from '../../base/assert.ts';
import { CleaningAborted, UncleanableLog, type CleaningJob } from './cleaning-job.ts';
import { cleanLog } from './cleaning.ts';
import type { FromThread, ThreadFailure, ToThread } from './thread-messages.ts';

/** Without a limit on bytes per second the main thread is asked this often, so that it can stop the work. */
const STEP_BYTES = 8 * 1024 ** 2;

/** Serves the main thread behind `port` until it ends the thread. */
export function serveCleaning(port: ThreadPort, world: { readonly disk: Disk; readonly clock: Clock }): void {
  let isLimited = true;
  let waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  const tell = (message: FromThread): void => port.post(message);
  const ask = (message: FromThread): Promise<void> => {
    assert(waiting === undefined, 'one question at a time');
    tell(message);
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
    });
  };
  const run = async (job: CleaningJob): Promise<void> => {
    let bytesSinceStep = 0;
    try {
      const stats = await cleanLog(job, world, {
        step: async (bytes) => {
          bytesSinceStep += bytes;
          if (!isLimited && bytesSinceStep < STEP_BYTES) return;
          const asked = bytesSinceStep;
          bytesSinceStep = 0;
          await ask({ type: 'step', bytes: asked });
        },
        swap: (group) => ask({ type: 'swap', group }),
      });
      tell({ type: 'cleaned', stats });
    } catch (error) {
      tell({ type: 'failed', failure: failureOf(error) });
    }
  };
  port.onMessage = (received) => {
    const message = received as ToThread;
    if (message.type === 'clean') {
      void run(message.job);
      return;
    }
    const asked = waiting;
    waiting = undefined;
    if (message.type === 'abort') {
      asked?.reject(new CleaningAborted('the cleaning was stopped'));
    } else {
      isLimited = message.isLimited;
      asked?.resolve();
    }
  };
}

function failureOf(error: unknown): ThreadFailure {
  if (error instanceof DiskError) return { kind: 'disk', code: error.code, path: error.path };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CleaningAborted) return { kind: 'aborted', message };
  if (error instanceof UncleanableLog) return { kind: 'uncleanable', message };
  const trace = error instanceof Error ? (error.stack ?? message) : message;
  return { kind: 'unexpected', message: trace };
}
