/**
 * The real disk, on node:fs. Synchronous but for `sync` and what is called `Async`, which go through libuv's threads. A
 * file that is closed while such a call is under way, or a region of it is being sent, keeps its descriptor until that is
 * over: a number that the system has given away again would otherwise be read, or synced, in another file's place.
 */
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { DiskError } from '../base/ports.ts';
import type { Disk, DiskFile, FileRegion, FileStat, OpenMode } from '../base/ports.ts';
import { lockFile } from './disk-lock.ts';
import { RealRegion } from './real-region.ts';
import { loadSendFile, type SendFile } from './sendfile.ts';

/** Topics and credentials are nobody else's business: the owner writes, the owner's group reads (backups). */
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o750;

const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
const OPEN_FLAGS: Record<OpenMode, number> = { read: O_RDONLY, write: O_RDWR, create: O_RDWR | O_CREAT };

/** Less is read and written in less time than the calls take that a region needs. */
const REGION_BYTES_MIN = 16 * 1024;

const MISSING = new Set(['ENOENT', 'ENOTDIR']);

/** `sendsRegions` false: as where the system cannot send files. */
export function realDisk(options: { readonly sendsRegions?: boolean } = {}): Disk {
  const sendFile = options.sendsRegions === false ? undefined : loadSendFile();
  return {
    regionBytesMin: sendFile === undefined ? Infinity : REGION_BYTES_MIN,
    open: (path, mode) => attempt(path, () => new RealFile(path, mode, sendFile)),
    list: (path) => attempt(path, () => fs.readdirSync(path).sort()),
    stat: statOrUndefined,
    makeDirectory: (path) => attempt(path, () => makeDirectory(path)),
    rename: (from, to) => attempt(from, () => fs.renameSync(from, to)),
    remove: (path) => unlessMissing(path, () => fs.unlinkSync(path)),
    removeAsync: (path) => unlessMissingAsync(path, fs.promises.unlink(path)),
    removeDirectory: (path) => unlessMissing(path, () => fs.rmSync(path, { recursive: true, force: true })),
    removeDirectoryAsync: (path) =>
      unlessMissingAsync(path, fs.promises.rm(path, { recursive: true, force: true })),
    syncDirectory,
    syncDirectoryAsync,
    lock: lockFile,
    space: (path) =>
      attempt(path, () => {
        const volume = fs.statfsSync(path);
        return { totalBytes: volume.blocks * volume.bsize, usableBytes: volume.bavail * volume.bsize };
      }),
  };
}

/** Not Node's `recursive`: it never returns where a parent exists and the system still says ENOENT, as below /proc. */
function makeDirectory(path: string): void {
  if (fs.existsSync(path)) {
    if (!fs.statSync(path).isDirectory()) throw new DiskError('ENOTDIR', path);
    return;
  }
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    fs.mkdirSync(path, DIRECTORY_MODE);
  } catch (error) {
    // Somebody else made it in between.
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error;
  }
}

function statOrUndefined(path: string): FileStat | undefined {
  return unlessMissing(path, () => {
    const stat = fs.statSync(path);
    return { isDirectory: stat.isDirectory(), sizeBytes: stat.size, modifiedMs: Math.floor(stat.mtimeMs) };
  });
}

function syncDirectory(path: string): void {
  // Windows can neither open a folder as a file nor sync it; its file systems journal names by themselves.
  if (process.platform === 'win32') return;
  attempt(path, () => {
    const descriptor = fs.openSync(path, O_RDONLY);
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  });
}

async function syncDirectoryAsync(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  // Opening and closing take microseconds; only the sync may wait for the device.
  const descriptor = attempt(path, () => fs.openSync(path, O_RDONLY));
  try {
    await new Promise<void>((resolve, reject) => {
      fs.fsync(descriptor, (error) => (error === null ? resolve() : reject(toDiskError(error, path))));
    });
  } finally {
    fs.closeSync(descriptor);
  }
}

function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toDiskError(error, path);
  }
}

function unlessMissing<T>(path: string, call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    const diskError = toDiskError(error, path);
    if (MISSING.has(diskError.code)) return undefined;
    throw diskError;
  }
}

async function unlessMissingAsync(path: string, call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const diskError = toDiskError(error, path);
    if (!MISSING.has(diskError.code)) throw diskError;
  }
}

function toDiskError(error: unknown, path: string): DiskError {
  if (error instanceof DiskError) return error;
  const code = (error as { code?: unknown } | null)?.code;
  return new DiskError(typeof code === 'string' ? code : 'EIO', path, { cause: error });
}

/**
 * A file has at most one handle that writes: the length is kept here and not asked of the system at each
 * append.
 */
class RealFile implements DiskFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #writable: boolean;
  readonly #sendFile: SendFile | undefined;
  #sizeBytes: number;
  /** Calls in libuv's threads, and regions, that still use the descriptor. */
  #underWay = 0;
  #closed = false;
  #syncFailure: DiskError | undefined;

  constructor(path: string, mode: OpenMode, sendFile: SendFile | undefined) {
    this.path = path;
    this.#sendFile = sendFile;
    this.#descriptor = fs.openSync(path, OPEN_FLAGS[mode], FILE_MODE);
    this.#writable = mode !== 'read';
    try {
      const stat = fs.fstatSync(this.#descriptor);
      if (stat.isDirectory()) throw new DiskError('EISDIR', path);
      this.#sizeBytes = stat.size;
    } catch (error) {
      fs.closeSync(this.#descriptor);
      throw error;
    }
  }

  sizeBytes(): number {
    this.#mustBeOpen();
    if (!this.#writable) this.#measure();
    return this.#sizeBytes;
  }

  write(position: number, buffers: readonly Uint8Array[]): void {
    this.#mustBeOpen();
    if (!(position >= 0 && position <= this.#sizeBytes)) throw new DiskError('EINVAL', this.path);
    try {
      const end =
        buffers.length === 1 ? this.#writeOne(position, buffers[0]!) : this.#writeMany(position, buffers);
      if (end > this.#sizeBytes) this.#sizeBytes = end;
    } catch (error) {
      // A part may have been written: what the length is now, the system knows.
      this.#measure();
      throw toDiskError(error, this.path);
    }
  }

  #writeOne(position: number, buffer: Uint8Array): number {
    let done = 0;
    while (done < buffer.length) {
      done += this.#progress(
        fs.writeSync(this.#descriptor, buffer, done, buffer.length - done, position + done),
      );
    }
    return position + done;
  }

  #writeMany(position: number, buffers: readonly Uint8Array[]): number {
    let rest = buffers;
    let at = position;
    let left = 0;
    for (const buffer of buffers) left += buffer.length;
    while (left > 0) {
      const written = this.#progress(fs.writevSync(this.#descriptor, rest, at));
      at += written;
      left -= written;
      if (left > 0) rest = skip(rest, written);
    }
    return at;
  }

  /** A device that takes nothing and reports nothing would keep the loop for ever. */
  #progress(written: number): number {
    if (written === 0) throw new DiskError('EIO', this.path);
    return written;
  }

  read(position: number, target: Uint8Array): number {
    this.#mustBeOpen();
    return this.#readAt(position, target);
  }

  #readAt(position: number, target: Uint8Array): number {
    return attempt(this.path, () => {
      let done = 0;
      while (done < target.length) {
        const count = fs.readSync(this.#descriptor, target, done, target.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  async readAsync(position: number, target: Uint8Array): Promise<number> {
    this.#mustBeOpen();
    this.#underWay += 1;
    try {
      let done = 0;
      while (done < target.length) {
        const count = await this.#readOnce(position + done, target, done);
        if (count === 0) break;
        done += count;
      }
      return done;
    } finally {
      this.#finish();
    }
  }

  #readOnce(position: number, target: Uint8Array, done: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, target, done, target.length - done, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(toDiskError(error, this.path));
      });
    });
  }

  region(position: number, sizeBytes: number): FileRegion {
    this.#mustBeOpen();
    this.#underWay += 1;
    return new RealRegion({
      position,
      sizeBytes,
      descriptor: this.#descriptor,
      sendFile: this.#sendFile,
      read: (at, target) => this.#readAt(at, target),
      onRelease: () => this.#finish(),
    });
  }

  truncate(sizeBytes: number): void {
    this.#mustBeOpen();
    attempt(this.path, () => fs.ftruncateSync(this.#descriptor, sizeBytes));
    this.#sizeBytes = sizeBytes;
  }

  setModified(modifiedMs: number): void {
    this.#mustBeOpen();
    const seconds = modifiedMs / 1000;
    attempt(this.path, () => fs.futimesSync(this.#descriptor, seconds, seconds));
  }

  /**
   * After a failed sync nobody knows which pages reached the device: the file answers with that failure from
   * then on.
   */
  sync(): Promise<void> {
    if (this.#closed) return Promise.reject(new DiskError('EBADF', this.path));
    if (this.#syncFailure !== undefined) return Promise.reject(this.#syncFailure);
    this.#underWay += 1;
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#descriptor, (error) => {
        if (error !== null) this.#syncFailure ??= toDiskError(error, this.path);
        this.#finish();
        if (this.#syncFailure === undefined) resolve();
        else reject(this.#syncFailure);
      });
    });
  }

  syncNow(): void {
    this.#mustBeOpen();
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    try {
      fs.fdatasyncSync(this.#descriptor);
    } catch (error) {
      this.#syncFailure = toDiskError(error, this.path);
      throw this.#syncFailure;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) attempt(this.path, () => fs.closeSync(this.#descriptor));
  }

  #finish(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0 && this.#closed) fs.closeSync(this.#descriptor);
  }

  #measure(): void {
    this.#sizeBytes = attempt(this.path, () => fs.fstatSync(this.#descriptor).size);
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new DiskError('EBADF', this.path);
  }
}

/** What is left of `buffers` after their first `count` bytes. Only short writes come here. */
export function skip(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let index = 0;
  let left = count;
  while (index < buffers.length && left >= buffers[index]!.length) {
    left -= buffers[index]!.length;
    index += 1;
  }
  const rest = buffers.slice(index);
  if (left > 0) rest[0] = rest[0]!.subarray(left);
  return rest;
}
