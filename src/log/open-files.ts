/**
 * Bounds what the closed segments of all logs hold: descriptors and loaded indexes. The ones used longest ago go first
 * and are opened, or loaded, again when they are wanted.
 */

/** Files of segments that may be open at once. Kafka has no such limit and runs into the system's. */
export const OPEN_SEGMENT_FILES_MAX = 8192;
/** Bytes of indexes of closed segments. */
export const LOADED_INDEX_BYTES_MAX = 32 * 1024 ** 2;

export interface OpenFile {
  /** Asked since it was last considered for closing; set by whoever uses it, cleared here. */
  wasUsed: boolean;
  /** Must stay open: it holds data whose sync is still to come. */
  readonly isPinned: boolean;
  closeFile(): void;
}

export class OpenFiles {
  readonly #max: number;
  readonly #files = new Set<OpenFile>();

  constructor(max: number = OPEN_SEGMENT_FILES_MAX) {
    this.#max = max;
  }

  get count(): number {
    return this.#files.size;
  }

  /** `file` has just been opened. */
  add(file: OpenFile): void {
    file.wasUsed = true;
    this.#files.add(file);
    if (this.#files.size > this.#max) this.#closeOne(file);
  }

  /** `file` is closed. */
  delete(file: OpenFile): void {
    this.#files.delete(file);
  }

  /** Second chance: goes round once over those used lately; if all others are pinned the limit gives way. */
  #closeOne(added: OpenFile): void {
    let looks = this.#files.size * 2;
    for (const file of this.#files) {
      if (looks-- === 0) return;
      if (!file.isPinned && !file.wasUsed && file !== added) {
        this.#files.delete(file);
        file.closeFile();
        return;
      }
      file.wasUsed = false;
      this.#files.delete(file);
      this.#files.add(file);
    }
  }
}

export interface LoadedIndex {
  readonly indexBytes: number;
  dropIndexes(): void;
}

export class LoadedIndexes {
  readonly #bytesMax: number;
  readonly #sizes = new Map<LoadedIndex, number>();
  #bytes = 0;

  constructor(bytesMax: number = LOADED_INDEX_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `index` is in use, and now as large as it says. */
  touch(index: LoadedIndex): void {
    this.delete(index);
    this.#sizes.set(index, index.indexBytes);
    this.#bytes += index.indexBytes;
    for (const oldest of this.#sizes.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === index) return;
      this.delete(oldest);
      oldest.dropIndexes();
    }
  }

  delete(index: LoadedIndex): void {
    const bytes = this.#sizes.get(index);
    if (bytes === undefined) return;
    this.#sizes.delete(index);
    this.#bytes -= bytes;
  }
}
