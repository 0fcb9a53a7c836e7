/**
 * Group commit for the logs of one directory. A log that was written to in a tick is synced after it, and while that goes
 * on what is written to it gathers: of each log at most one round is outstanding. Logs do not wait for each other: the
 * device merges what is asked of it at once, and one slow file holds up only who wrote to it. First the files, then the
 * folders in which names have changed, so that no name becomes durable before what it stands for. A failed sync is final:
 * nobody knows any more what the device holds, so the directory is given up and never asked again.
 *
 * What nobody waits for (closed segments of relaxed logs) is synced a few logs at a time. Logs that are written to evenly
 * roll together: hundreds of files at once would keep all threads and the device for seconds, and readers with them.
 */
import type { Timers } from '../base/ports.ts';

/** Logs whose syncs nobody waits for: so many are synced at a time. */
export const PATIENT_SYNCS_MAX = 2;

/** `patient`: nobody waits for it. */
export type SyncNeed = 'none' | 'patient' | 'urgent';

export interface Syncable {
  /** Its turn, after the tick in which it asked: does what needs no sync, and tells what does. */
  takeTurn(): SyncNeed;
  /** What it needs by now; `none` while a round of it is outstanding. */
  readonly syncNeed: SyncNeed;
  /** Adds the syncs of all that must become durable now, and returns what `finishSync` is to be called with. */
  beginSync(syncs: Promise<unknown>[]): unknown;
  /** All of them succeeded: adds the syncs of the folders whose names must become durable now. */
  syncNames(begun: unknown, syncs: Promise<unknown>[]): void;
  /** And these as well. Who needs another round asks for it. */
  finishSync(begun: unknown): void;
}

export class SyncRounds {
  readonly #timers: Timers;
  readonly #onFailure: (error: unknown) => void;
  #waiting: Syncable[] = [];
  readonly #patient = new Set<Syncable>();
  #patientRunning = 0;
  #isScheduled = false;
  #isStopped = false;

  constructor(options: { readonly timers: Timers; readonly onFailure: (error: unknown) => void }) {
    this.#timers = options.timers;
    this.#onFailure = options.onFailure;
  }

  /** `log` gets its turn after this tick. It asks once until then. */
  request(log: Syncable): void {
    if (this.#isStopped) return;
    this.#waiting.push(log);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#timers.soon(() => this.#run());
  }

  /** `log` has gone elsewhere; a round of it that is outstanding goes on. */
  forget(log: Syncable): void {
    this.#waiting = this.#waiting.filter((one) => one !== log);
    this.#patient.delete(log);
  }

  /** Nothing more begins. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
    this.#patient.clear();
  }

  #run(): void {
    this.#isScheduled = false;
    const turns = this.#waiting;
    this.#waiting = [];
    for (const log of turns) {
      if (this.#isStopped) return;
      const need = log.takeTurn();
      if (need === 'urgent') this.#begin(log, () => {});
      else if (need === 'patient') this.#patient.add(log);
    }
    this.#beginPatient();
  }

  #beginPatient(): void {
    for (const log of this.#patient) {
      if (this.#patientRunning >= PATIENT_SYNCS_MAX) return;
      this.#patient.delete(log);
      // Somebody could not wait, or the log is gone.
      if (log.syncNeed === 'none') continue;
      this.#patientRunning += 1;
      this.#begin(log, () => {
        this.#patientRunning -= 1;
        this.#beginPatient();
      });
    }
  }

  /** `onEnd` is called when the round is over, unless by a failure. */
  #begin(log: Syncable, onEnd: () => void): void {
    let begun: unknown;
    this.#step(
      (syncs) => (begun = log.beginSync(syncs)),
      () => {
        this.#step(
          (syncs) => log.syncNames(begun, syncs),
          () => this.#finish(log, begun, onEnd),
        );
      },
    );
  }

  #finish(log: Syncable, begun: unknown, onEnd: () => void): void {
    try {
      log.finishSync(begun);
    } catch (error) {
      this.#fail(error);
      return;
    }
    onEnd();
  }

  /** Goes on when what `begin` has begun is done: at once if that is nothing. */
  #step(begin: (syncs: Promise<unknown>[]) => void, next: () => void): void {
    const syncs: Promise<unknown>[] = [];
    try {
      begin(syncs);
    } catch (error) {
      // Those that were begun are of no interest any more, but must not be taken for unnoticed failures.
      for (const sync of syncs) sync.catch(() => {});
      this.#fail(error);
      return;
    }
    if (syncs.length === 0) {
      next();
      return;
    }
    const all = syncs.length === 1 ? syncs[0] : Promise.all(syncs);
    all.then(
      () => {
        if (!this.#isStopped) next();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.stop();
    this.#onFailure(error);
  }
}
