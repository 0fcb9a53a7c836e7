/** A segment's index of aborted transactions: read from its file when it is wanted, written when it has changed. */
import type { Disk, DiskFile } from '../base/ports.ts';
import { overwriteFile, readSmallFile } from './checkpoint-file.ts';
import { TRANSACTION_INDEX_SUFFIX } from './file-names.ts';
import { DamagedIndex } from './storage-error.ts';
import { decodeAborted, encodeAborted, type AbortedTransaction } from './transaction-index.ts';

interface IndexedSegment {
  readonly baseOffset: number;
  /** Where the file with this suffix is now. */
  path(suffix: string): string;
}

export class TransactionIndexFile {
  readonly #disk: Disk;
  readonly #segment: IndexedSegment;
  #entries: AbortedTransaction[] | undefined;
  #isDirty = false;
  #isThere: boolean;

  constructor(disk: Disk, segment: IndexedSegment, isThere: boolean) {
    this.#disk = disk;
    this.#segment = segment;
    this.#isThere = isThere;
    if (!isThere) this.#entries = [];
  }

  get #path(): string {
    return this.#segment.path(TRANSACTION_INDEX_SUFFIX);
  }

  /** Throws DamagedIndex. */
  entries(): readonly AbortedTransaction[] {
    return this.#loaded();
  }

  #loaded(): AbortedTransaction[] {
    if (this.#entries !== undefined) return this.#entries;
    const bytes = readSmallFile(this.#disk, this.#path);
    const entries = bytes === undefined ? [] : decodeAborted(bytes, this.#segment.baseOffset);
    // Of this log alone: others in the directory are none the worse for it.
    if (entries === undefined) throw new DamagedIndex(`${this.#path} is damaged`);
    this.#entries = entries;
    return entries;
  }

  append(entry: AbortedTransaction): void {
    this.#loaded().push(entry);
    this.#isDirty = true;
  }

  set(entries: AbortedTransaction[]): void {
    this.#entries = entries;
    this.#isDirty = true;
  }

  /** Brings the file up to date: returns it, if there was something to write, to be synced and closed. */
  write(): DiskFile[] {
    const entries = this.#entries;
    if (!this.#isDirty || entries === undefined) return [];
    if (entries.length === 0 && !this.#isThere) return [];
    const file = overwriteFile(this.#disk, this.#path, Buffer.concat(entries.map(encodeAborted)));
    this.#isThere = true;
    this.#isDirty = false;
    return [file];
  }
}
