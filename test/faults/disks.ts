/**
 * A file system of its own for each broker: ext4 in a file, mounted by a loop device. It can be full without the machine's
 * being so, and a copy of its file is what a power cut leaves: what was not synced lies only in the mount's page cache.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const SIZE_BYTES = 768 * 1024 * 1024;
const BALLAST = 'ballast';
const BLOCK_BYTES = 64 * 1024;
/** A copy counts when the file has not changed from this long before it until its end. */
const STILL_MS = 20;
const COPIES_MAX = 200;

/** The ioctl by which ext4 ends at once (FS_IOC_SHUTDOWN, without flushing its journal). */
const SHUTDOWN = [
  'import fcntl, os, struct, sys',
  "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))",
].join('\n');

export class LoopDisk {
  readonly folder: string;
  readonly mount: string;
  #image: string;
  #generation = 0;

  /** `folder` must be there; the images lie in it. */
  constructor(folder: string, name: string) {
    this.folder = folder;
    this.mount = join(folder, name);
    this.#image = join(folder, `${name}.0.img`);
  }

  make(): void {
    mkdirSync(this.mount);
    closeSync(openSync(this.#image, 'w'));
    truncateSync(this.#image, SIZE_BYTES);
    execFileSync('mkfs.ext4', ['-q', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0', this.#image]);
    this.#attach();
  }

  /** Takes all free space. */
  fill(): void {
    const file = openSync(join(this.mount, BALLAST), 'a');
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    try {
      for (let size = BLOCK_BYTES; size >= 1_024;) {
        try {
          if (writeSync(file, block, 0, size) < size) size >>= 1;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          size >>= 1;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(join(this.mount, BALLAST), { force: true });
  }

  /** From now on every access fails with EIO, and what was not synced is gone: a device that is no longer there. */
  fail(): void {
    execFileSync('python3', ['-c', SHUTDOWN, this.mount]);
  }

  /** After `fail`: the device is there again. Nothing may be open on the mount. */
  repair(): void {
    this.#detach();
    this.#attach();
  }

  /**
   * What would be there after a power cut now, as a file. Nobody may write to the mount meanwhile. The kernel itself writes
   * at its own times: a copy during which it did is no picture of one moment, and is made again.
   */
  async photograph(): Promise<string> {
    this.#generation += 1;
    const copy = this.#image.replace(/\d+\.img$/, `${this.#generation}.img`);
    for (let tries = 0; tries < COPIES_MAX; tries++) {
      const before = statSync(this.#image).mtimeMs;
      if (Date.now() - before >= STILL_MS) {
        copySparse(this.#image, copy);
        if (statSync(this.#image).mtimeMs === before) return copy;
      }
      await delay(STILL_MS);
    }
    throw new Error(`${this.#image} never stood still`);
  }

  /** Goes on with what `photograph` gave. Nothing may be open on the mount. */
  replaceBy(copy: string): void {
    this.#detach();
    rmSync(this.#image);
    this.#image = copy;
    this.#attach();
  }

  remove(): void {
    try {
      this.#detach();
    } catch {
      // It was not mounted.
    }
  }

  #attach(): void {
    execFileSync('mount', ['-o', 'loop,noatime', this.#image, this.mount]);
  }

  #detach(): void {
    execFileSync('umount', [this.mount]);
  }
}

/** Mounts below a folder are taken away, whatever uses them. */
export function unmountBelow(folder: string): void {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const at = line.split(' ')[1];
    if (at?.startsWith(`${folder}/`)) execFileSync('umount', ['-l', at]);
  }
}

function copySparse(from: string, to: string): void {
  try {
    execFileSync('cp', ['--sparse=always', from, to]);
  } catch {
    copyFileSync(from, to);
  }
}
