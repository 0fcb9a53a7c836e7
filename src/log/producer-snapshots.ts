/**
 * The producer snapshots in a log's folder, and the producer state made from them: the last valid snapshot and the
 * batches after it. There is one for the base offset of each segment that was rolled, and one for the end of the log
 * after a clean shutdown.
 */
import type { DiskFile } from '../base/ports.ts';
import { endedTransaction } from '../protocol/control-records.ts';
import { crc32c } from '../protocol/crc32c.ts';
import * as header from '../protocol/record-batch.ts';
import { overwriteFile, readSmallFile } from './checkpoint-file.ts';
import type { UnsyncedFiles } from './directory-files.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { decodeSnapshot, encodeSnapshot } from './producer-snapshot.ts';
import { isExpired, type CompletedTransaction, type ProducerState } from './producer-state.ts';
import { scanBatches } from './scan.ts';
import type { Segments } from './segments.ts';

export class ProducerSnapshots {
  readonly #environment: LogEnvironment;
  #folder: string;
  /** Offsets of the files, rising. */
  #offsets: number[];
  /** CRC-32Cs of files that a clean shutdown wrote without a sync, by offset. */
  readonly #unsynced = new Map<number, number>();

  constructor(environment: LogEnvironment, folder: string, offsets: readonly number[] = []) {
    this.#environment = environment;
    this.#folder = folder;
    this.#offsets = [...offsets].sort((a, b) => a - b);
  }

  get offsets(): readonly number[] {
    return this.#offsets;
  }

  /** `save` wrote this one, in an earlier life. */
  expect({ snapshot, snapshotOffset }: UnsyncedFiles): void {
    if (snapshot !== undefined && snapshotOffset !== undefined) this.#unsynced.set(snapshotOffset, snapshot);
  }

  /** For the record of a clean shutdown: the latest snapshot if it was not synced. */
  unsynced(): Pick<UnsyncedFiles, 'snapshot' | 'snapshotOffset'> {
    const snapshotOffset = this.latest;
    const snapshot = snapshotOffset === undefined ? undefined : this.#unsynced.get(snapshotOffset);
    return snapshotOffset === undefined || snapshot === undefined ? {} : { snapshot, snapshotOffset };
  }

  get latest(): number | undefined {
    return this.#offsets[this.#offsets.length - 1];
  }

  /** The latest file, if there is one, to be synced and closed. */
  openLatest(): DiskFile[] {
    return this.latest === undefined ? [] : [this.#environment.disk.open(this.#path(this.latest), 'read')];
  }

  /** Writes the state as of its end offset and returns the file, open, to be synced and closed; undefined when it exists. */
  take(state: ProducerState): DiskFile | undefined {
    const offset = state.endOffset;
    if (this.#offsets.includes(offset) && !this.#unsynced.has(offset)) return undefined;
    this.#unsynced.delete(offset);
    return this.#write(offset, encodeSnapshot(state.entries()));
  }

  /** For a clean shutdown: as `take`, without a sync. */
  save(state: ProducerState): void {
    const offset = state.endOffset;
    if (this.#offsets.includes(offset)) return;
    const content = encodeSnapshot(state.entries());
    this.#write(offset, content).close();
    this.#unsynced.set(offset, crc32c(content));
  }

  #write(offset: number, content: Buffer): DiskFile {
    let file: DiskFile;
    try {
      file = overwriteFile(this.#environment.disk, this.#path(offset), content);
    } catch (error) {
      this.removeIf((other) => other === offset);
      this.#environment.disk.remove(this.#path(offset));
      throw error;
    }
    if (!this.#offsets.includes(offset)) {
      this.#offsets.push(offset);
      this.#offsets.sort((a, b) => a - b);
    }
    return file;
  }

  /** Removes snapshots that `isStray` says yes to. */
  removeIf(isStray: (offset: number) => boolean): void {
    for (const offset of this.#offsets) {
      if (isStray(offset)) this.#environment.disk.remove(this.#path(offset));
    }
    this.#offsets = this.#offsets.filter((offset) => !isStray(offset));
  }

  /**
   * Fills `state` with what holds at `endOffset`: from the latest valid snapshot that is not beyond it, and the batches
   * from there. Snapshots that are damaged, beyond the end or below the first segment are removed. What lies below the
   * log's start but is still there counts, unlike in Kafka: whoever wrote it may yet try again.
   */
  load(state: ProducerState, segments: Segments, endOffset: number): void {
    const startOffset = segments.first.baseOffset;
    this.removeIf((offset) => offset > endOffset || offset < startOffset);
    const from = this.#restoreLatest(state) ?? startOffset;
    state.endOffset = from;
    for (let index = Math.max(0, segments.floorIndex(from)); state.endOffset < endOffset; index++) {
      const segment = segments.at(index);
      if (segment === undefined) break;
      const position = segment.positionOf(state.endOffset);
      if (position === undefined) continue;
      scanBatches(segment.file(), { from: position, to: segment.sizeBytes }, (buffer, at) => {
        if (header.baseOffset(buffer, at) >= endOffset) return false;
        if (header.lastOffset(buffer, at) >= from) applyBatch(state, buffer, at);
        state.endOffset = header.lastOffset(buffer, at) + 1;
        return true;
      });
    }
    state.endOffset = endOffset;
  }

  #restoreLatest(state: ProducerState): number | undefined {
    const { disk, clock, logger, producerIdExpirationMs } = this.#environment;
    state.clear(0);
    for (let offset = this.latest; offset !== undefined; offset = this.latest) {
      const bytes = readSmallFile(disk, this.#path(offset));
      const expected = this.#unsynced.get(offset);
      const isAsSaved = bytes !== undefined && (expected === undefined || crc32c(bytes) === expected);
      const entries = isAsSaved ? decodeSnapshot(bytes) : undefined;
      if (entries !== undefined) {
        const nowMs = clock.nowMs();
        for (const entry of entries) {
          if (!isExpired(entry, nowMs, producerIdExpirationMs)) state.restore(entry);
        }
        state.sortTransactions();
        return offset;
      }
      logger.warn({ snapshot: this.#path(offset) }, 'a damaged producer snapshot is removed');
      const damaged = offset;
      this.removeIf((other) => other === damaged);
    }
    return undefined;
  }

  #path(offset: number): string {
    return `${this.#folder}/${names.segmentFileName(offset, names.SNAPSHOT_SUFFIX)}`;
  }

  moveTo(folder: string): void {
    this.#folder = folder;
  }
}

/** Notes a batch of the log, which was checked when it was appended; the transaction that it ends. */
export function applyBatch(
  state: ProducerState,
  buffer: Buffer,
  at: number,
): CompletedTransaction | undefined {
  const producerId = header.producerId(buffer, at);
  if (producerId < 0) return undefined;
  if (header.isControl(buffer, at)) {
    const marker = endedTransaction(buffer, at);
    return marker === undefined ? undefined : state.applyMarker(marker);
  }
  state.apply({
    producerId,
    epoch: header.producerEpoch(buffer, at),
    firstSequence: header.baseSequence(buffer, at),
    lastSequence: header.lastSequence(buffer, at),
    firstOffset: header.baseOffset(buffer, at),
    lastOffset: header.lastOffset(buffer, at),
    timestamp: header.maxTimestamp(buffer, at),
    isTransactional: header.isTransactional(buffer, at),
  });
  return undefined;
}
