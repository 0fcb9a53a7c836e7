/** What the parts of a log ask of it: its fields, always as they are now. */
import type { DurableLog } from './durability.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { ReadableLog } from './log-reader.ts';
import type { Segments } from './segments.ts';
import type { LogSettings } from './settings.ts';

export interface LogView extends DurableLog, ReadableLog {}

export interface LogParts {
  folder(): string;
  segments(): Segments;
  epochs(): LeaderEpochs;
  settings(): LogSettings;
  logStartOffset(): number;
  logEndOffset(): number;
  onDurable(endOffset: number): void;
}

export function viewOf(parts: LogParts): LogView {
  return {
    get folder() {
      return parts.folder();
    },
    get segments() {
      return parts.segments();
    },
    get activeBaseOffset() {
      return parts.segments().active.baseOffset;
    },
    get epochs() {
      return parts.epochs();
    },
    get settings() {
      return parts.settings();
    },
    get isCompacted() {
      return parts.settings().cleanupPolicy.compact;
    },
    get logStartOffset() {
      return parts.logStartOffset();
    },
    get logEndOffset() {
      return parts.logEndOffset();
    },
    onDurable: (endOffset) => parts.onDurable(endOffset),
  };
}
