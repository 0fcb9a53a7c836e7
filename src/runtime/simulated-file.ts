/**
 * A file on a device that may lose what was not synced: what the device holds (`durable`), what the page
 * cache shows (`current`), and which pages of 4 KiB differ. fdatasync makes data and length durable as they
 * were when it was called.
 */
import { PagedBytes } from './paged-bytes.ts';
import type { SimulatedRandom } from './simulated-random.ts';

const PAGE_BYTES = 4096;

/** What an fdatasync that is under way will make durable. */
export interface SyncCapture {
  readonly sizeBytes: number;
  readonly version: number;
  readonly pages: readonly { readonly index: number; readonly version: number; readonly bytes: Buffer }[];
}

export class SimulatedFile {
  readonly current = new PagedBytes(PAGE_BYTES);
  modifiedMs = 0;
  #durable = new PagedBytes(PAGE_BYTES);
  /** Dirty pages, each with the number of the change that touched it last. */
  readonly #dirty = new Map<number, number>();
  #version = 0;
  /**
   * The latest capture that has reached the device: one that began earlier and ends later changes nothing
   * back.
   */
  #durableVersion = -1;

  write(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.current.write(position, bytes);
    this.#touch(position, position + bytes.length);
  }

  truncate(sizeBytes: number): void {
    const before = this.current.sizeBytes;
    this.current.truncate(sizeBytes);
    this.#touch(Math.min(before, sizeBytes), Math.max(before, sizeBytes, 1));
  }

  beginSync(): SyncCapture {
    const pages = [];
    for (const [index, version] of this.#dirty)
      pages.push({ index, version, bytes: this.current.page(index) });
    return { sizeBytes: this.current.sizeBytes, version: this.#version, pages };
  }

  completeSync(capture: SyncCapture): void {
    if (capture.version < this.#durableVersion) return;
    this.#durableVersion = capture.version;
    for (const page of capture.pages) this.#durable.setPage(page.index, page.bytes);
    resize(this.#durable, capture.sizeBytes);
    this.#forget(capture);
  }

  /**
   * As Linux does it: the pages count as clean though they never reached the device. Reads still show them.
   */
  failSync(capture: SyncCapture): void {
    this.#forget(capture);
  }

  /** Changes bytes on the device and in the cache, as a failing device would. */
  corrupt(position: number, bytes: Uint8Array): void {
    this.current.write(position, bytes);
    this.#durable.write(position, bytes);
  }

  /** The file after power was cut and everything not synced is gone. */
  durableCopy(): SimulatedFile {
    return fromBytes(this.#durable.copy(), this.modifiedMs);
  }

  /**
   * The file after power was cut while the cache was being written back in any order: each dirty page is
   * there or not, one may be torn, and the length is the old one, the new one or any between.
   */
  randomCopy(random: SimulatedRandom): SimulatedFile {
    const bytes = this.#durable.copy();
    const lengths = [this.#durable.sizeBytes, this.current.sizeBytes];
    const low = Math.min(...lengths);
    const high = Math.max(...lengths);
    const sizeBytes = random.chance(0.5) ? lengths[random.integer(2)]! : random.between(low, high);
    let lastKept: number | undefined;
    for (const index of [...this.#dirty.keys()].sort((a, b) => a - b)) {
      if (random.chance(0.5)) continue;
      bytes.setPage(index, this.current.page(index));
      lastKept = index;
    }
    if (lastKept !== undefined && random.chance(0.5)) {
      const torn = this.#durable.page(lastKept);
      this.current.page(lastKept).copy(torn, 0, 0, random.integer(PAGE_BYTES));
      bytes.setPage(lastKept, torn);
    }
    resize(bytes, sizeBytes);
    return fromBytes(bytes, this.modifiedMs);
  }

  #touch(start: number, end: number): void {
    this.#version += 1;
    const last = Math.floor((end - 1) / PAGE_BYTES);
    for (let page = Math.floor(start / PAGE_BYTES); page <= last; page++)
      this.#dirty.set(page, this.#version);
  }

  #forget(capture: SyncCapture): void {
    for (const page of capture.pages) {
      if (this.#dirty.get(page.index) === page.version) this.#dirty.delete(page.index);
    }
  }

  static durable(bytes: PagedBytes, modifiedMs: number): SimulatedFile {
    const file = new SimulatedFile();
    file.#durable = bytes;
    const whole = Buffer.alloc(bytes.sizeBytes);
    bytes.read(0, whole);
    file.current.write(0, whole);
    file.modifiedMs = modifiedMs;
    return file;
  }
}

function fromBytes(bytes: PagedBytes, modifiedMs: number): SimulatedFile {
  return SimulatedFile.durable(bytes, modifiedMs);
}

/** Sets the length of bytes whose pages may reach beyond it, and clears those. */
function resize(bytes: PagedBytes, sizeBytes: number): void {
  bytes.truncate(Number.MAX_SAFE_INTEGER);
  bytes.truncate(sizeBytes);
}
