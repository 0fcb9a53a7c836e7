/**
 * A part of a simulated file: read when it is sent, as it is then, also once the file was closed or removed. Whoever uses it
 * after it was released, or releases it twice, is told: on a real disk another file could be there by then.
 */
import type { FileRegion } from '../base/ports.ts';

export class SimulatedRegion implements FileRegion {
  readonly sizeBytes: number;
  readonly #position: number;
  readonly #read: (position: number, target: Uint8Array) => number;
  #isReleased = false;

  constructor(
    range: { readonly position: number; readonly sizeBytes: number },
    read: (position: number, target: Uint8Array) => number,
  ) {
    this.sizeBytes = range.sizeBytes;
    this.#position = range.position;
    this.#read = read;
  }

  read(at: number, target: Uint8Array): number {
    if (this.#isReleased) throw new Error('a region was read after it had been released');
    return this.#read(this.#position + at, target);
  }

  release(): void {
    if (this.#isReleased) throw new Error('a region was released twice');
    this.#isReleased = true;
  }
}
