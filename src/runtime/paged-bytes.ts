/**
 * The bytes of a file in memory, in pages, so that a file grows without being copied and a page can be told
 * from another. Holes read as zeros. Used by the memory disk and by the simulated one.
 */
export class PagedBytes {
  readonly pageBytes: number;
  #sizeBytes = 0;
  /** Sparse; a page may be shorter than `pageBytes`, what is missing is zeros. */
  readonly #pages: (Buffer | undefined)[] = [];

  constructor(pageBytes: number) {
    this.pageBytes = pageBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get pageCount(): number {
    return Math.ceil(this.#sizeBytes / this.pageBytes);
  }

  write(position: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const at = position + done;
      const within = at % this.pageBytes;
      const count = Math.min(this.pageBytes - within, bytes.length - done);
      this.#grow(Math.floor(at / this.pageBytes), within + count).set(
        bytes.subarray(done, done + count),
        within,
      );
      done += count;
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.length);
  }

  read(position: number, target: Uint8Array): number {
    const total = Math.max(0, Math.min(target.length, this.#sizeBytes - position));
    let done = 0;
    while (done < total) {
      const at = position + done;
      const within = at % this.pageBytes;
      const count = Math.min(this.pageBytes - within, total - done);
      const part = target.subarray(done, done + count);
      const page = this.#pages[Math.floor(at / this.pageBytes)];
      const present = Math.max(0, Math.min(count, (page?.length ?? 0) - within));
      if (present > 0) part.set(page!.subarray(within, within + present));
      part.fill(0, present);
      done += count;
    }
    return total;
  }

  /** Shorter: what lies beyond is forgotten. Longer: a hole. */
  truncate(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) {
      const lastPage = Math.floor(sizeBytes / this.pageBytes);
      this.#pages[lastPage]?.subarray(sizeBytes % this.pageBytes).fill(0);
      this.#pages.length = Math.min(this.#pages.length, lastPage + 1);
    }
    this.#sizeBytes = sizeBytes;
  }

  /** A copy of one page, always `pageBytes` long. */
  page(index: number): Buffer {
    const copy = Buffer.alloc(this.pageBytes);
    this.#pages[index]?.copy(copy);
    return copy;
  }

  /** Sets a page without changing the length. */
  setPage(index: number, bytes: Uint8Array): void {
    this.#pages[index] = Buffer.from(bytes);
  }

  copy(): PagedBytes {
    const copy = new PagedBytes(this.pageBytes);
    copy.#sizeBytes = this.#sizeBytes;
    for (let index = 0; index < this.#pages.length; index++) {
      const page = this.#pages[index];
      if (page !== undefined) copy.#pages[index] = Buffer.from(page);
    }
    return copy;
  }

  /** Pages double until they are whole: a thousand small files must not take a whole page each. */
  #grow(index: number, needed: number): Buffer {
    const page = this.#pages[index];
    if (page !== undefined && page.length >= needed) return page;
    let capacity = Math.max(256, page?.length ?? 0);
    while (capacity < needed) capacity *= 2;
    const grown = Buffer.alloc(Math.min(capacity, this.pageBytes));
    page?.copy(grown);
    this.#pages[index] = grown;
    return grown;
  }
}
