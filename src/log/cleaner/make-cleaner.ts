/** The cleaner of a broker's logs, with the work in threads where there is a way to start them, else on the main loop. */
import type { Thread } from '../../base/ports.ts';
import type { LogEnvironment } from '../environment.ts';
import { CleanerRecord } from './cleaner-metrics.ts';
import { DEFAULT_CLEANER_SETTINGS, type CleanerSettings } from './cleaner-settings.ts';
import type { CleaningControl } from './cleaning-job.ts';
import { cleanLog } from './cleaning.ts';
import { LogCleaner, type LogCleanerOptions } from './log-cleaner.ts';
import { CleaningThreads } from './thread-runner.ts';

export interface CleanerOptions {
  /** As they are at each use; Kafka's defaults without it. */
  readonly settings?: () => CleanerSettings;
  /** A thread that runs serveCleaning on the same disk. */
  readonly startThread?: () => Thread;
}

export function makeCleaner(
  environment: LogEnvironment,
  options: CleanerOptions,
  logs: Pick<LogCleanerOptions, 'logs' | 'directories' | 'highWatermarkOf' | 'isPaused' | 'checkpoint'>,
): LogCleaner {
  const record = new CleanerRecord();
  const settings = options.settings ?? (() => DEFAULT_CLEANER_SETTINGS);
  const { startThread } = options;
  if (startThread === undefined) {
    return new LogCleaner({
      ...logs,
      environment,
      settings,
      record,
      runner: (job, control) => cleanLog(job, environment, inTurns(environment, control)),
    });
  }
  const isLimited = (): boolean => settings().ioMaxBytesPerSecond < UNLIMITED_BYTES_PER_SECOND;
  const onDeath = (error: Error): void => {
    record.threadDied();
    environment.logger.error({ error }, 'a cleaning thread ended by itself; the next job starts another');
  };
  const threads = new CleaningThreads({ start: startThread, isLimited, onDeath });
  return new LogCleaner({
    ...logs,
    environment,
    settings,
    record,
    runner: (job, control) => threads.run(job, control),
    onIdle: () => threads.releaseIdle(),
  });
}

/** No disk gives as much. */
const UNLIMITED_BYTES_PER_SECOND = 1e12;

/** Between steps on the main loop all others have their turn. */
function inTurns(environment: LogEnvironment, control: CleaningControl): CleaningControl {
  return {
    step: async (bytes) => {
      await control.step(bytes);
      await new Promise<void>((resolve) => environment.timers.soon(resolve));
    },
    swap: (group) => control.swap(group),
  };
}
