/**
 * Which part of a log was appended so lately that the system still has it in its page cache: such bytes are read at once,
 * since handing a read to another thread costs more than the read. Older ones may have to come from the device, for which
 * nobody waits on the main thread. Nothing asks the system; what this process has appended since is the measure.
 */

/** A log notes where it is each time the process has appended this part of what counts as recent. */
const NOTES = 16;

/** What all logs of a process have appended. */
export class RecentAppends {
  readonly bytesMax: number;
  /** Since the start. */
  bytes = 0;

  /** `bytesMax`: what was appended before so many bytes counts as old. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  ofLog(): RecentRange {
    return new RecentRange(this);
  }
}

/** The recent part of one log: from an offset to its end. */
export class RecentRange {
  readonly #all: RecentAppends;
  /** Offsets at which something was appended, and how many bytes the process had appended by then; both ascending. */
  #offsets: number[] = [];
  #bytes: number[] = [];

  constructor(all: RecentAppends) {
    this.#all = all;
  }

  /** What begins at `baseOffset` was appended. */
  appended(baseOffset: number, sizeBytes: number): void {
    const all = this.#all;
    all.bytes += sizeBytes;
    const last = this.#bytes.at(-1);
    if (last !== undefined && all.bytes - last < all.bytesMax / NOTES) return;
    this.#offsets.push(baseOffset);
    this.#bytes.push(all.bytes);
    this.#forget();
  }

  has(offset: number): boolean {
    this.#forget();
    const first = this.#offsets[0];
    return first !== undefined && offset >= first;
  }

  /** The log ends at `endOffset` now. */
  cut(endOffset: number): void {
    while (this.#offsets.length > 0 && this.#offsets.at(-1)! >= endOffset) {
      this.#offsets.pop();
      this.#bytes.pop();
    }
  }

  clear(): void {
    this.#offsets = [];
    this.#bytes = [];
  }

  #forget(): void {
    const { bytes, bytesMax } = this.#all;
    while (this.#bytes.length > 0 && bytes - this.#bytes[0]! > bytesMax) {
      this.#offsets.shift();
      this.#bytes.shift();
    }
  }
}
