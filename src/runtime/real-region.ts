/** A part of a real file, which the system may send by itself. */
import type { FileRegion } from '../base/ports.ts';
import type { SendFile } from './sendfile.ts';

export class RealRegion implements FileRegion {
  readonly sizeBytes: number;
  readonly #position: number;
  readonly #descriptor: number;
  readonly #sendFile: SendFile | undefined;
  readonly #read: (position: number, target: Uint8Array) => number;
  readonly #onRelease: () => void;
  #isReleased = false;

  constructor(options: {
    readonly position: number;
    readonly sizeBytes: number;
    /** Stays open until `onRelease` is called. */
    readonly descriptor: number;
    readonly sendFile: SendFile | undefined;
    readonly read: (position: number, target: Uint8Array) => number;
    readonly onRelease: () => void;
  }) {
    this.sizeBytes = options.sizeBytes;
    this.#position = options.position;
    this.#descriptor = options.descriptor;
    this.#sendFile = options.sendFile;
    this.#read = options.read;
    this.#onRelease = options.onRelease;
  }

  read(at: number, target: Uint8Array): number {
    this.#mustBeHeld();
    return this.#read(this.#position + at, target);
  }

  /** What `SendFile` returns, for up to `bytesMax` bytes from `at` on; -1 as well where there is no such call. */
  sendTo(socket: number, at: number, bytesMax: number): number {
    this.#mustBeHeld();
    if (this.#sendFile === undefined) return -1;
    const sizeBytes = Math.min(bytesMax, this.sizeBytes - at);
    return this.#sendFile(socket, this.#descriptor, { position: this.#position + at, sizeBytes });
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#onRelease();
  }

  /** The descriptor's number may be another file's by now. */
  #mustBeHeld(): void {
    if (this.#isReleased) throw new Error('a region was used after it had been released');
  }
}
