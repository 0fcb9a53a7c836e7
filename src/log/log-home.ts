/** What a log needs of the log directory it is in. */
import type { Syncable } from './sync-rounds.ts';

export interface LogHome {
  readonly path: string;
  /** Set once the directory has failed; it never recovers. */
  readonly failure: Error | undefined;
  /** Gives the directory up, with all its logs. */
  fail(error: unknown): void;
  requestSync(log: Syncable): void;
  /** The log is in another directory from now on. */
  forgetSync(log: Syncable): void;
  /** Calls one after the other what removes files without blocking, until the directory is let go. A failure ends it. */
  removeInTurn(remove: () => Promise<void>): void;
  /** Makes a recovery point of at most `offset` durable before the log is cut there. */
  lowerRecoveryPoint(log: { readonly topic: string; readonly partition: number }, offset: number): void;
  /** The folder's own name became visible in the directory and is not durable yet. */
  namesChanged(): void;
  /** Adds the sync of the directory's own names, if they changed, and those that are under way. */
  syncNames(syncs: Promise<unknown>[]): void;
}
