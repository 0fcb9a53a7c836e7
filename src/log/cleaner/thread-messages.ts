/** What the main thread and one that cleans tell each other. One job at a time. */
import type { CleanedGroup, CleaningJob, CleaningStats } from './cleaning-job.ts';

export type ToThread =
  | { readonly type: 'clean'; readonly job: CleaningJob }
  /** The step or the swap that was asked for is done; `isLimited`: bytes per second are, so each step is to be asked for. */
  | { readonly type: 'go on'; readonly isLimited: boolean }
  /** The step or the swap failed: the job is to end. */
  | { readonly type: 'abort' };

export type FromThread =
  | { readonly type: 'step'; readonly bytes: number }
  | { readonly type: 'swap'; readonly group: CleanedGroup }
  | { readonly type: 'cleaned'; readonly stats: CleaningStats }
  | { readonly type: 'failed'; readonly failure: ThreadFailure };

export type ThreadFailure =
  | { readonly kind: 'aborted' | 'uncleanable' | 'unexpected'; readonly message: string }
  | { readonly kind: 'disk'; readonly code: string; readonly path: string };
