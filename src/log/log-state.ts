/** A log between its folder and its object: what making or recovering it gives. */
import type { DiskFile } from '../base/ports.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { ProducerSnapshots } from './producer-snapshots.ts';
import type { ProducerState } from './producer-state.ts';
import type { Segments } from './segments.ts';
import type { LogSettings } from './settings.ts';

/** What there is when a log begins to exist in memory: made fresh, or found by recovery. */
export interface LogState {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly folder: string;
  readonly settings: LogSettings;
  readonly segments: Segments;
  readonly epochs: LeaderEpochs;
  readonly snapshots: ProducerSnapshots;
  /** Undefined: loaded from the snapshots when it is wanted. */
  readonly producers: ProducerState | undefined;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly recoveryPoint: number;
  readonly cleanedTo?: number;
  /** Names and files that the first round must make durable. */
  readonly unsynced: readonly DiskFile[];
  readonly isNew: boolean;
}
