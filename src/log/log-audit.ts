/**
 * Looks once, in the background, at every batch that was there when the broker started. Disks give back what nobody has
 * written, and nothing else would notice it before a consumer reads it: recovery looks at the last segment, and a clean
 * start at none. In a cluster the others have the same batches, so what is damaged here can be copied anew.
 */
import * as header from '../protocol/record-batch.ts';
import type { LogEnvironment } from './environment.ts';
import type { Log } from './log.ts';
import { OffsetOutOfRange, StorageError } from './log.ts';
import { applyBatch } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import type { LogRead } from './segment-read.ts';

/** So little that nobody else waits for the disk or the processor. */
const BYTES_PER_SECOND = 32 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const FIRST_DELAY_MS = 5_000;
/** What is wrong is read again after this time: it may have been cut or removed while it was read. */
const AGAIN_MS = 200;

export interface LogAuditOptions {
  readonly logs: () => Iterable<Log>;
  /** May be called for a log that is no longer in use. */
  onDamaged(log: Log, problem: string): void;
}

interface Step {
  readonly next: number;
  readonly problem?: string;
  /** Whole and right; its slab is to be given back. */
  readonly read?: LogRead;
}

export class LogAudit {
  readonly #environment: LogEnvironment;
  readonly #options: LogAuditOptions;
  #isStopped = false;

  constructor(environment: LogEnvironment, options: LogAuditOptions) {
    this.#environment = environment;
    this.#options = options;
  }

  start(): void {
    const logs = Array.from(this.#options.logs(), (log) => ({ log, end: log.logEndOffset }));
    const { timers, logger } = this.#environment;
    timers.after(FIRST_DELAY_MS, () => {
      this.#run(logs).catch((error: unknown) =>
        logger.warn({ error }, 'the logs could not all be looked at'),
      );
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(logs: readonly { readonly log: Log; readonly end: number }[]): Promise<void> {
    for (const { log, end } of logs) {
      const problem = await this.#audit(log, end);
      if (this.#isStopped) return;
      if (problem !== undefined) this.#options.onDamaged(log, problem);
    }
  }

  /** What is wrong with the batches up to `end`; undefined: nothing, or the log cannot be read any more. */
  async #audit(log: Log, end: number): Promise<string | undefined> {
    const producers = new ProducerState();
    for (let offset = log.logStartOffset; offset < Math.min(end, log.logEndOffset);) {
      if (this.#isStopped) return undefined;
      let step: Step | undefined = await this.#look(log, offset);
      if (step?.problem !== undefined) {
        await this.#wait(AGAIN_MS);
        // Its beginning was deleted, or its end cut off: what is there now begins elsewhere.
        if (offset < log.logStartOffset || offset >= log.logEndOffset) step = { next: log.logStartOffset };
        else step = await this.#look(log, offset);
      }
      if (step === undefined) return undefined;
      if (step.problem !== undefined) return step.problem;
      const missing = step.read === undefined ? undefined : missingAbort(log, step.read, producers);
      if (step.read?.slab !== undefined) this.#environment.slabs.give(step.read.slab);
      if (missing !== undefined) return missing;
      await this.#wait((READ_BYTES * 1_000) / BYTES_PER_SECOND);
      offset = Math.max(offset, step.next, log.logStartOffset);
    }
    return undefined;
  }

  /** Where to go on, or what is wrong; undefined when the log is gone. */
  async #look(log: Log, offset: number): Promise<Step | undefined> {
    let read: LogRead;
    try {
      read = await log.read({ offset, maxBytes: READ_BYTES, upTo: log.logEndOffset, minOneMessage: true });
    } catch (error) {
      if (error instanceof OffsetOutOfRange) return { next: Math.max(offset, log.logStartOffset) };
      if (!(error instanceof StorageError)) throw error;
      // The disk's own failures are dealt with where they happen; else the batches do not follow each other.
      return error.cause === undefined ? { next: offset, problem: error.message } : undefined;
    }
    const problem = problemOf(log, offset, read);
    if (problem === undefined) return { next: read.nextOffset, read };
    if (read.slab !== undefined) this.#environment.slabs.give(read.slab);
    return { next: offset, problem };
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#environment.timers.after(ms, resolve));
  }
}

/**
 * A transaction that was aborted, of which the index says nothing: its records would be read. A segment without a file of its
 * index has no aborted transactions, or had a file that is gone.
 */
function missingAbort(log: Log, read: LogRead, producers: ProducerState): string | undefined {
  // What is left of a transaction after a compaction may begin later than it did.
  if (log.settings.cleanupPolicy.compact || log.cleanedTo !== undefined) return undefined;
  for (const buffer of read.buffers) {
    for (let at = 0; at < buffer.length; at += header.batchSizeBytes(buffer, at)) {
      const completed = applyBatch(producers, buffer, at);
      const markerOffset = header.lastOffset(buffer, at);
      if (completed?.isAbort !== true || markerOffset >= log.logEndOffset) continue;
      const { producerId, firstOffset } = completed;
      const known = log.abortedTransactions(markerOffset, markerOffset + 1);
      if (known.some((one) => one.producerId === producerId && one.firstOffset === firstOffset)) continue;
      return `the index of aborted transactions lacks the one at offset ${firstOffset}`;
    }
  }
  return undefined;
}

function problemOf(log: Log, offset: number, read: LogRead): string | undefined {
  const mayMiss = log.settings.cleanupPolicy.compact || log.cleanedTo !== undefined;
  if (read.sizeBytes === 0) {
    const isEmpty = mayMiss || offset >= log.logEndOffset;
    return isEmpty ? undefined : `there is no batch with offset ${offset}`;
  }
  let next = offset;
  for (const buffer of read.buffers) {
    for (let at = 0; at < buffer.length; at += header.batchSizeBytes(buffer, at)) {
      const baseOffset = header.baseOffset(buffer, at);
      if (!header.isCrcValid(buffer, at)) return `the batch at offset ${baseOffset} has another checksum`;
      // The first one may begin before what was asked for.
      const isNext = mayMiss ? baseOffset >= next || next === offset : baseOffset <= next;
      if (!isNext) return `there is no batch with offset ${next}`;
      next = header.lastOffset(buffer, at) + 1;
    }
  }
  return undefined;
}
