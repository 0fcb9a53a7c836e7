/**
 * Which leader epoch began at which offset of a log (KIP-101, KIP-279, KIP-320). Kept in memory, and in the file
 * `leader-epoch-checkpoint`: a checkpoint file with lines `epoch startOffset`, both rising strictly.
 *
 * The file may lag behind: every batch carries its epoch, so what is missing is found again by the scan that follows an
 * unclean shutdown, as long as the file is durable before the recovery point passes the batches (Log sees to that). An
 * epoch without a batch is not missed: the next one begins at the same offset and replaces it.
 */
import type { Disk } from '../base/ports.ts';
import { crc32c } from '../protocol/crc32c.ts';
import { formatCheckpoint, parseCheckpoint, parseInteger } from './checkpoint-file.ts';
import { LEADER_EPOCH_CHECKPOINT } from './file-names.ts';

export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

/** Kafka's "unknown". */
export const UNDEFINED_EPOCH = -1;
export const UNDEFINED_EPOCH_OFFSET = -1;

export class LeaderEpochs {
  #entries: EpochEntry[];
  /** What a new start of the log took away, as it was: it stays in the file until that start is durable. */
  #forgotten: EpochEntry[] = [];
  /** The file does not hold them durably. */
  isDirty = false;
  /** CRC-32C of the file that a clean shutdown wrote without a sync; meant only while they are dirty. */
  savedCrc: number | undefined;

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = [];
    for (const entry of entries) this.assign(entry.epoch, entry.startOffset);
    this.isDirty = false;
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  /** Undefined in an empty cache. */
  get latestEpoch(): number | undefined {
    return this.#entries.length === 0 ? undefined : this.#entries[this.#entries.length - 1].epoch;
  }

  get earliest(): EpochEntry | undefined {
    return this.#entries[0];
  }

  /**
   * Notes that `epoch` begins at `startOffset`. Entries that contradict it (an epoch not below, or a start not below)
   * are replaced; nothing happens when the latest epoch is this one and began no later.
   */
  assign(epoch: number, startOffset: number): void {
    const entries = this.#entries;
    const last = entries[entries.length - 1];
    if (last !== undefined && last.epoch === epoch && startOffset >= last.startOffset) return;
    while (entries.length > 0) {
      const entry = entries[entries.length - 1];
      if (entry.epoch < epoch && entry.startOffset < startOffset) break;
      entries.pop();
    }
    entries.push({ epoch, startOffset });
    this.isDirty = true;
  }

  /**
   * The largest known epoch not above the requested one and the offset at which it ends (behaviour item 39): the log's
   * end for the latest epoch; -1/-1 for one that is unknown and higher; the requested epoch and the first start offset
   * for one below all known.
   */
  endOffsetFor(requested: number, logEndOffset: number): { epoch: number; endOffset: number } {
    const entries = this.#entries;
    const unknown = { epoch: UNDEFINED_EPOCH, endOffset: UNDEFINED_EPOCH_OFFSET };
    if (requested === UNDEFINED_EPOCH) return unknown;
    if (this.latestEpoch === requested) return { epoch: requested, endOffset: logEndOffset };
    const higher = entries.findIndex((entry) => entry.epoch > requested);
    if (higher < 0) return unknown;
    const epoch = higher === 0 ? requested : entries[higher - 1].epoch;
    return { epoch, endOffset: entries[higher].startOffset };
  }

  /** The epoch that the offset was or would be written in; undefined below the first. */
  epochFor(offset: number): number | undefined {
    let found: number | undefined;
    for (const entry of this.#entries) {
      if (entry.startOffset > offset) break;
      found = entry.epoch;
    }
    return found;
  }

  /** The log now ends at `endOffset`: forgets epochs that begin there or later. */
  truncateFromEnd(endOffset: number): void {
    const entries = this.#entries;
    while (entries.length > 0 && entries[entries.length - 1].startOffset >= endOffset) {
      entries.pop();
      this.isDirty = true;
    }
    while (this.#forgotten.length > 0 && this.#forgotten.at(-1)!.startOffset >= endOffset)
      this.#forgotten.pop();
  }

  /** The log now begins at `startOffset`: of the epochs that begin before it only the last stays, beginning there. */
  truncateFromStart(startOffset: number): void {
    const entries = this.#entries;
    let last = -1;
    while (last + 1 < entries.length && entries[last + 1].startOffset <= startOffset) last += 1;
    if (last < 0 || (last === 0 && entries[0].startOffset === startOffset)) return;
    const { epoch } = entries[last];
    // An entry that was moved up before is in there already, with its original start.
    for (const entry of entries.splice(0, last + 1, { epoch, startOffset })) {
      if (this.#forgotten.at(-1)?.epoch !== entry.epoch) this.#forgotten.push(entry);
    }
    this.isDirty = true;
  }

  /** The start that `truncateFromStart` was told of is durable: the file may follow. */
  forget(): void {
    if (this.#forgotten.length === 0) return;
    this.#forgotten = [];
    this.isDirty = true;
  }

  clear(): void {
    if (this.#entries.length > 0) this.isDirty = true;
    this.#entries = [];
    this.#forgotten = [];
  }

  /** `content` is about to become durable. */
  markDurable(): void {
    this.isDirty = false;
    this.savedCrc = undefined;
  }

  /** What belongs into the file. */
  content(): Buffer {
    const last = this.#forgotten.at(-1)?.epoch;
    const all = [...this.#forgotten, ...this.#entries.filter((entry) => entry.epoch !== last)];
    return formatCheckpoint(all.map((entry) => `${entry.epoch} ${entry.startOffset}`));
  }
}

/** Throws CheckpointError. */
export function parseLeaderEpochs(path: string, content: Buffer): EpochEntry[] {
  const entries: EpochEntry[] = [];
  for (const [epochText, offsetText] of parseCheckpoint(path, content, 2)) {
    const epoch = parseInteger(epochText);
    const startOffset = parseInteger(offsetText);
    // Kafka, too, drops what makes no sense rather than refusing to start: the scan knows better.
    if (epoch === undefined || startOffset === undefined || epoch < 0 || startOffset < 0) continue;
    entries.push({ epoch, startOffset });
  }
  return entries;
}

/**
 * For a clean shutdown: writes what is not durable to the file, without a sync. The file's CRC-32C; undefined when it is
 * durable.
 */
export function saveEpochs(disk: Disk, folder: string, epochs: LeaderEpochs): number | undefined {
  if (!epochs.isDirty) return undefined;
  const content = epochs.content();
  const crc = crc32c(content);
  if (crc === epochs.savedCrc) return crc;
  const path = `${folder}/${LEADER_EPOCH_CHECKPOINT}`;
  const file = disk.open(`${path}.tmp`, 'create');
  try {
    file.truncate(0);
    file.write(0, [content]);
  } finally {
    file.close();
  }
  disk.rename(`${path}.tmp`, path);
  epochs.savedCrc = crc;
  return crc;
}
