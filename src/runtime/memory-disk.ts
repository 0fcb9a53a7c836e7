/**
 * A disk in memory, without faults: for a broker that lives inside a test process and leaves nothing behind.
 * Syncs succeed at once. As everywhere under Unix, a file that was removed can still be used through its open
 * handles.
 */
import { DiskError } from '../base/ports.ts';
import type { Clock, Disk, DiskFile, FileRegion } from '../base/ports.ts';
import { FileTree, isFolder, once, whole } from './file-tree.ts';
import { PagedBytes } from './paged-bytes.ts';

const PAGE_BYTES = 64 * 1024;
const CAPACITY_BYTES_DEFAULT = 1024 ** 3;

interface MemoryFile {
  readonly bytes: PagedBytes;
  modifiedMs: number;
  /** The name has gone: the bytes count no longer once nobody can reach them. */
  removed: boolean;
}

/** What all handles of one disk share. */
interface Volume {
  readonly clock: Clock;
  readonly capacityBytes: number;
  usedBytes: number;
}

/**
 * `capacityBytes`: what the files may take together before a write fails with ENOSPC; 1 GiB when not given.
 */
export function memoryDisk(options: { readonly clock: Clock; readonly capacityBytes?: number }): Disk {
  const tree = new FileTree<MemoryFile>();
  const locks = new Set<string>();
  const volume: Volume = {
    clock: options.clock,
    capacityBytes: options.capacityBytes ?? CAPACITY_BYTES_DEFAULT,
    usedBytes: 0,
  };
  return {
    regionBytesMin: Infinity,
    open(path, mode) {
      const make = (): MemoryFile => {
        return { bytes: new PagedBytes(PAGE_BYTES), modifiedMs: options.clock.nowMs(), removed: false };
      };
      const file = tree.file(path, mode === 'create' ? make : undefined);
      return new MemoryDiskFile({ path, file, volume, writable: mode !== 'read' });
    },
    list: (path) => [...tree.folder(path).entries.keys()].sort(),
    stat(path) {
      const entry = tree.find(path);
      if (entry === undefined) return undefined;
      if (isFolder(entry)) return { isDirectory: true, sizeBytes: 0, modifiedMs: 0 };
      return { isDirectory: false, sizeBytes: entry.bytes.sizeBytes, modifiedMs: entry.modifiedMs };
    },
    makeDirectory: (path) => tree.makeDirectory(path),
    rename(from, to) {
      const replaced = tree.find(to);
      const moved = tree.find(from);
      tree.rename(from, to);
      if (replaced !== undefined && replaced !== moved) forget(replaced, volume);
    },
    remove(path) {
      const removed = tree.remove(path);
      if (removed !== undefined) forget(removed, volume);
    },
    removeDirectory(path) {
      const entry = tree.find(path);
      tree.removeDirectory(path);
      if (entry !== undefined) forget(entry, volume);
    },
    async removeAsync(path) {
      this.remove(path);
    },
    async removeDirectoryAsync(path) {
      this.removeDirectory(path);
    },
    syncDirectory(path) {
      tree.folder(path);
    },
    async syncDirectoryAsync(path) {
      tree.folder(path);
    },
    lock(path) {
      const name = whole(path);
      if (locks.has(name)) return undefined;
      locks.add(name);
      return { release: once(() => void locks.delete(name)) };
    },
    space: () => ({
      totalBytes: volume.capacityBytes,
      usableBytes: Math.max(0, volume.capacityBytes - volume.usedBytes),
    }),
  };
}

function forget(entry: MemoryFile | { entries: Map<string, unknown> }, volume: Volume): void {
  if ('entries' in entry) {
    for (const child of entry.entries.values()) forget(child as MemoryFile, volume);
    return;
  }
  if (!entry.removed) volume.usedBytes -= entry.bytes.sizeBytes;
  entry.removed = true;
}

interface HandleOptions {
  readonly path: string;
  readonly file: MemoryFile;
  readonly volume: Volume;
  readonly writable: boolean;
}

class MemoryDiskFile implements DiskFile {
  readonly path: string;
  readonly #file: MemoryFile;
  readonly #volume: Volume;
  readonly #writable: boolean;
  #closed = false;

  constructor(options: HandleOptions) {
    this.path = options.path;
    this.#file = options.file;
    this.#volume = options.volume;
    this.#writable = options.writable;
  }

  sizeBytes(): number {
    this.#mustBeOpen();
    return this.#file.bytes.sizeBytes;
  }

  write(position: number, buffers: readonly Uint8Array[]): void {
    this.#mustBeWritable();
    const before = this.#file.bytes.sizeBytes;
    if (!(position >= 0 && position <= before)) throw new DiskError('EINVAL', this.path);
    let end = position;
    for (const buffer of buffers) end += buffer.length;
    this.#account(Math.max(before, end));
    let at = position;
    for (const buffer of buffers) {
      this.#file.bytes.write(at, buffer);
      at += buffer.length;
    }
    this.#file.modifiedMs = this.#volume.clock.nowMs();
  }

  read(position: number, target: Uint8Array): number {
    this.#mustBeOpen();
    return this.#file.bytes.read(position, target);
  }

  async readAsync(position: number, target: Uint8Array): Promise<number> {
    return this.read(position, target);
  }

  region(position: number, sizeBytes: number): FileRegion {
    this.#mustBeOpen();
    const { bytes } = this.#file;
    return {
      sizeBytes,
      read: (at, target) => bytes.read(position + at, target),
      release() {},
    };
  }

  truncate(sizeBytes: number): void {
    this.#mustBeWritable();
    this.#account(sizeBytes);
    this.#file.bytes.truncate(sizeBytes);
    this.#file.modifiedMs = this.#volume.clock.nowMs();
  }

  setModified(modifiedMs: number): void {
    this.#mustBeWritable();
    this.#file.modifiedMs = modifiedMs;
  }

  async sync(): Promise<void> {
    this.#mustBeOpen();
  }

  syncNow(): void {
    this.#mustBeOpen();
  }

  close(): void {
    this.#closed = true;
  }

  #account(sizeBytes: number): void {
    if (this.#file.removed) return;
    const growth = sizeBytes - this.#file.bytes.sizeBytes;
    if (growth > 0 && this.#volume.usedBytes + growth > this.#volume.capacityBytes) {
      throw new DiskError('ENOSPC', this.path);
    }
    this.#volume.usedBytes += growth;
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new DiskError('EBADF', this.path);
  }

  #mustBeWritable(): void {
    this.#mustBeOpen();
    if (!this.#writable) throw new DiskError('EBADF', this.path);
  }
}
