/** What is known of a log before its folder is opened, and what is thrown when the folder does not hold to it. */
import type { CleanLog } from './directory-files.ts';
import type { LogState } from './log-state.ts';
import type { LogSettings } from './settings.ts';

export class DamagedLog extends Error {
  constructor(folder: string, problem: string) {
    super(`${folder}: ${problem}`);
    this.name = 'DamagedLog';
  }
}

export interface LoadOptions {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly folder: string;
  readonly settings: LogSettings;
  /** From the directory's checkpoints; 0 when they have none. */
  readonly logStartOffset: number;
  readonly recoveryPoint: number;
  readonly wasClean: boolean;
  /** What the clean shutdown noted of this log. */
  readonly cleanLog: CleanLog | undefined;
  /** From the cleaner's checkpoint: offsets may be missing, whatever the cleanup.policy is now. */
  readonly cleanedTo?: number | undefined;
}

/** What a loaded log has from its options, as they are. */
export function stateFields(
  options: LoadOptions,
): Pick<LogState, 'topic' | 'partition' | 'topicId' | 'folder' | 'settings' | 'cleanedTo'> {
  const { topic, partition, topicId, folder, settings, cleanedTo } = options;
  const of = { topic, partition, topicId, folder, settings };
  return cleanedTo === undefined ? of : { ...of, cleanedTo };
}

export function isCompacted({ settings, cleanedTo }: LoadOptions): boolean {
  return settings.cleanupPolicy.compact || cleanedTo !== undefined;
}
