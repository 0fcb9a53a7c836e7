/**
 * Cleaning in threads, seen from the main loop: a job goes to a thread, whose questions are answered. A thread stays for
 * the next job until nothing needs cleaning; then it goes, with the memory of its map.
 */
import { DiskError, type Thread } from '../../base/ports.ts';
import {
  CleaningAborted,
  UncleanableLog,
  type CleaningControl,
  type CleaningJob,
  type CleaningStats,
} from './cleaning-job.ts';
import type { FromThread, ThreadFailure, ToThread } from './thread-messages.ts';

export interface CleaningThreadsOptions {
  readonly start: () => Thread;
  /** Is there a limit on bytes per second now? */
  readonly isLimited: () => boolean;
  /** A thread ended by itself, at work or idle. */
  readonly onDeath: (error: Error) => void;
}

export class CleaningThreads {
  readonly #options: CleaningThreadsOptions;
  readonly #idle: Thread[] = [];

  constructor(options: CleaningThreadsOptions) {
    this.#options = options;
  }

  /** A CleaningRunner. Rejects as cleanLog does, and with an Error when the thread dies. */
  async run(job: CleaningJob, control: CleaningControl): Promise<CleaningStats> {
    const thread = this.#idle.pop() ?? this.#options.start();
    try {
      const stats = await this.#serve(thread, job, control);
      this.#rest(thread);
      return stats;
    } catch (error) {
      // What it may still be doing nobody waits for.
      thread.terminate();
      throw error;
    }
  }

  /** One that dies meanwhile must not get the next job: it would never answer. */
  #rest(thread: Thread): void {
    thread.onExit = (error) => {
      this.#idle.splice(this.#idle.indexOf(thread), 1);
      this.#died(error);
    };
    this.#idle.push(thread);
  }

  #died(cause: Error | undefined): Error {
    const error = cause ?? new Error('the cleaning thread ended');
    this.#options.onDeath(error);
    return error;
  }

  /** Ends the threads that have nothing to do. */
  releaseIdle(): void {
    for (const thread of this.#idle.splice(0)) thread.terminate();
  }

  #serve(thread: Thread, job: CleaningJob, control: CleaningControl): Promise<CleaningStats> {
    return new Promise((resolve, reject) => {
      let refusal: unknown;
      const tell = (message: ToThread): void => thread.post(message);
      const answer = (work: Promise<void>): void => {
        work.then(
          () => tell({ type: 'go on', isLimited: this.#options.isLimited() }),
          (error: unknown) => {
            refusal = error;
            tell({ type: 'abort' });
          },
        );
      };
      thread.onExit = (error) => reject(this.#died(error));
      thread.onMessage = (received) => {
        const message = received as FromThread;
        if (message.type === 'step') answer(control.step(message.bytes));
        else if (message.type === 'swap') answer(control.swap(message.group));
        else if (message.type === 'cleaned') resolve(message.stats);
        else reject(refusal ?? errorOf(message.failure));
      };
      tell({ type: 'clean', job });
    });
  }
}

function errorOf(failure: ThreadFailure): Error {
  switch (failure.kind) {
    case 'disk':
      return new DiskError(failure.code, failure.path);
    case 'aborted':
      return new CleaningAborted(failure.message);
    case 'uncleanable':
      return new UncleanableLog(failure.message);
    case 'unexpected':
      return new Error(failure.message);
  }
}
