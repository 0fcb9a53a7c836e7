/**
 * A disk that crashes when told to. It tells what is durable from what the page cache shows, for data (see
 * simulated-file.ts) and for names: a creation, rename or removal is durable only after `syncDirectory` of
 * its folder. It counts the operations that change something, and can die at the k-th of them; `restart` then
 * gives the disk that the next process finds. Faults come from `fault`, called before each operation.
 */
import { DiskError } from '../base/ports.ts';
import type {
  Clock,
  Disk,
  DiskFile,
  DiskLock,
  FileRegion,
  FileStat,
  OpenMode,
  Timers,
} from '../base/ports.ts';
import { applyChange, FileTree, isFolder, once, whole } from './file-tree.ts';
import type { Entry, Folder, FolderChange } from './file-tree.ts';
import { SimulatedFile } from './simulated-file.ts';
import { SimulatedRandom } from './simulated-random.ts';
import { SimulatedRegion } from './simulated-region.ts';

/** The process died here. Every later call of the dead disk throws it again, so that nothing gets past it. */
export class SimulatedCrash extends Error {
  constructor(operation: DiskOperation) {
    super(`crash at ${describe(operation)}`);
    this.name = 'SimulatedCrash';
  }
}

export type DiskOperationKind =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'setModified'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'removeDirectory'
  | 'syncDirectory';

export interface DiskOperation {
  readonly kind: DiskOperationKind;
  readonly path: string;
  /**
   * Counts from 1 the operations that can change something; 0 for `read`, and for `open` of a file that
   * exists.
   */
  readonly number: number;
}

/**
 * What a crash leaves of what was not synced: nothing, any part of it, or all (the process died, the machine
 * did not).
 */
export type Unsynced = 'lose' | 'random' | 'keep';

export interface SimulatedDiskOptions {
  readonly seed: number | string;
  readonly clock: Clock;
  /** When given, `sync` and `readAsync` take the time below; else they settle as promises do. */
  readonly timers?: Timers;
  readonly syncLatencyMs?: number;
  readonly readLatencyMs?: number;
  /** What all files may take together; unlimited when not given. */
  readonly capacityBytes?: number;
  /** The smallest part of a file that is sent as a region; when not given the seed decides whether there are any. */
  readonly regionBytesMin?: number;
  /** Die at this operation, counted from 1. */
  readonly crashAt?: number;
  /** Each operation that can change something, as it is asked for: for traces. */
  readonly onOperation?: (operation: DiskOperation) => void;
  /**
   * A code makes the operation fail with it. A write then leaves a part; a sync loses what it was to save.
   */
  readonly fault?: (operation: DiskOperation) => string | undefined;
}

interface DurableNames {
  readonly entries: Map<string, Entry<SimulatedFile>>;
  pending: FolderChange<SimulatedFile>[];
}

type Names = WeakMap<Folder<SimulatedFile>, DurableNames>;

const CAPACITY_BYTES_SHOWN = 2 ** 40;

export class SimulatedDisk implements Disk {
  readonly regionBytesMin: number;
  readonly #options: SimulatedDiskOptions;
  readonly #random: SimulatedRandom;
  readonly #tree: FileTree<SimulatedFile>;
  readonly #names: Names;
  readonly #locks = new Set<string>();
  #operations = 0;
  #crash: SimulatedCrash | undefined;

  constructor(options: SimulatedDiskOptions, survivor?: Survivor) {
    this.#options = options;
    const hasRegions = new SimulatedRandom(options.seed).fork('regions').chance(0.5);
    this.regionBytesMin = options.regionBytesMin ?? (hasRegions ? 1 : Infinity);
    this.#random = survivor?.random ?? new SimulatedRandom(options.seed).fork('disk');
    this.#names = survivor?.names ?? new WeakMap();
    this.#tree = new FileTree(survivor?.root, (folder, change) =>
      namesOf(this.#names, folder).pending.push(change),
    );
  }

  /** Operations so far that could change something: run once to learn it, then crash at each. */
  get operations(): number {
    return this.#operations;
  }

  get isCrashed(): boolean {
    return this.#crash !== undefined;
  }

  /** Dies now, between two operations. */
  crash(): void {
    this.#crash ??= new SimulatedCrash({
      kind: 'read',
      path: '(between operations)',
      number: this.#operations,
    });
  }

  /**
   * The disk that the next process finds. This one is dead from now on. Options that are not given stay, but
   * `crashAt`.
   */
  restart(unsynced: Unsynced, changes: Partial<SimulatedDiskOptions> = {}): SimulatedDisk {
    this.crash();
    const { crashAt: _, ...options } = this.#options;
    return new SimulatedDisk(
      { ...options, ...changes },
      survive(unsynced, {
        random: this.#random,
        root: this.#tree.root,
        names: this.#names,
      }),
    );
  }

  /** Damages a file's bytes, on the device and in the cache. */
  corrupt(path: string, position: number, bytes: Uint8Array): void {
    this.#tree.file(path).corrupt(position, bytes);
  }

  open(path: string, mode: OpenMode): DiskFile {
    const makes = mode === 'create' && this.#tree.find(path) === undefined;
    this.#step('open', path, makes);
    const make = (): SimulatedFile => {
      const file = new SimulatedFile();
      file.modifiedMs = this.#options.clock.nowMs();
      return file;
    };
    const file = this.#tree.file(path, makes ? make : undefined);
    return new SimulatedHandle({ path, file, mode, device: this.#device() });
  }

  list(path: string): string[] {
    this.#step('read', path, false);
    return [...this.#tree.folder(path).entries.keys()].sort();
  }

  stat(path: string): FileStat | undefined {
    this.#step('read', path, false);
    const entry = this.#tree.find(path);
    if (entry === undefined) return undefined;
    if (isFolder(entry)) return { isDirectory: true, sizeBytes: 0, modifiedMs: 0 };
    return { isDirectory: false, sizeBytes: entry.current.sizeBytes, modifiedMs: entry.modifiedMs };
  }

  makeDirectory(path: string): void {
    this.#step('makeDirectory', path);
    this.#tree.makeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.#step('rename', `${from} -> ${to}`);
    this.#tree.rename(from, to);
  }

  remove(path: string): void {
    this.#step('remove', path);
    this.#tree.remove(path);
  }

  removeDirectory(path: string): void {
    this.#step('removeDirectory', path);
    this.#tree.removeDirectory(path);
  }

  /** The name is gone at some time before it resolves: here at the end, so that all else may come first. */
  async removeAsync(path: string): Promise<void> {
    await this.#device().wait('sync');
    this.remove(path);
  }

  /** As above, and one file after the other: a crash may come in between. */
  async removeDirectoryAsync(path: string): Promise<void> {
    await this.#device().wait('sync');
    const entry = this.#tree.find(path);
    if (entry !== undefined && isFolder(entry)) {
      for (const name of entry.entries.keys()) await this.removeDirectoryAsync(`${path}/${name}`);
      this.removeDirectory(path);
    } else this.remove(path);
  }

  syncDirectory(path: string): void {
    this.#step('syncDirectory', path);
    const folder = this.#tree.folder(path);
    const names = namesOf(this.#names, folder);
    for (const change of names.pending) applyChange(names.entries, change);
    names.pending = [];
  }

  async syncDirectoryAsync(path: string): Promise<void> {
    this.#step('syncDirectory', path);
    const names = namesOf(this.#names, this.#tree.folder(path));
    const covered = new Set(names.pending);
    await this.#device().wait('sync');
    // One that began later may have been faster.
    for (const change of names.pending) if (covered.has(change)) applyChange(names.entries, change);
    names.pending = names.pending.filter((change) => !covered.has(change));
  }

  lock(path: string): DiskLock | undefined {
    this.#step('read', path, false);
    const name = whole(path);
    if (this.#locks.has(name)) return undefined;
    this.#locks.add(name);
    return { release: once(() => void this.#locks.delete(name)) };
  }

  space(path: string): { totalBytes: number; usableBytes: number } {
    this.#step('read', path, false);
    const totalBytes = this.#options.capacityBytes ?? CAPACITY_BYTES_SHOWN;
    return { totalBytes, usableBytes: Math.max(0, totalBytes - usedBytes(this.#tree.root)) };
  }

  /**
   * Counts an operation, dies at it or fails it, as asked. `onCrash` leaves what a call that was cut short
   * leaves.
   */
  #step(kind: DiskOperationKind, path: string, changes = true, onCut: () => void = () => {}): void {
    if (this.#crash !== undefined) throw this.#crash;
    if (changes) this.#operations += 1;
    const operation = { kind, path, number: changes ? this.#operations : 0 };
    if (changes) this.#options.onOperation?.(operation);
    if (changes && this.#operations === this.#options.crashAt) {
      onCut();
      this.#crash = new SimulatedCrash(operation);
      throw this.#crash;
    }
    const code = this.#options.fault?.(operation);
    if (code === undefined) return;
    onCut();
    throw new DiskError(code, path);
  }

  #device(): Device {
    return {
      step: (kind, path, changes, onCut) => this.#step(kind, path, changes, onCut),
      part: (size) => this.#random.between(0, size),
      nowMs: () => this.#options.clock.nowMs(),
      mustHaveRoom: (path, growth) => {
        const { capacityBytes } = this.#options;
        if (capacityBytes === undefined || growth <= 0) return;
        if (usedBytes(this.#tree.root) + growth > capacityBytes) throw new DiskError('ENOSPC', path);
      },
      wait: async (kind) => {
        const latencyMs = (kind === 'sync' ? this.#options.syncLatencyMs : this.#options.readLatencyMs) ?? 0;
        const { timers } = this.#options;
        if (timers === undefined) await Promise.resolve();
        else await new Promise<void>((resolve) => timers.after(latencyMs, resolve));
        if (this.#crash !== undefined) throw this.#crash;
      },
    };
  }
}

/** What a handle needs of its disk. */
interface Device {
  step(kind: DiskOperationKind, path: string, changes: boolean, onCut?: () => void): void;
  /** How much of `size` bytes a call that was cut short has done. */
  part(size: number): number;
  nowMs(): number;
  mustHaveRoom(path: string, growth: number): void;
  wait(kind: 'sync' | 'read'): Promise<void>;
}

class SimulatedHandle implements DiskFile {
  readonly path: string;
  readonly #file: SimulatedFile;
  readonly #writable: boolean;
  readonly #device: Device;
  #closed = false;
  #syncFailure: unknown;

  constructor(options: { path: string; file: SimulatedFile; mode: OpenMode; device: Device }) {
    this.path = options.path;
    this.#file = options.file;
    this.#writable = options.mode !== 'read';
    this.#device = options.device;
  }

  sizeBytes(): number {
    this.#check(false);
    return this.#file.current.sizeBytes;
  }

  write(position: number, buffers: readonly Uint8Array[]): void {
    this.#check(true);
    const bytes = Buffer.concat(buffers);
    const before = this.#file.current.sizeBytes;
    if (!(position >= 0 && position <= before)) throw new DiskError('EINVAL', this.path);
    this.#device.mustHaveRoom(this.path, position + bytes.length - before);
    this.#device.step('write', this.path, true, () => {
      this.#file.write(position, bytes.subarray(0, this.#device.part(bytes.length)));
    });
    this.#file.write(position, bytes);
    this.#file.modifiedMs = this.#device.nowMs();
  }

  read(position: number, target: Uint8Array): number {
    this.#check(false);
    this.#device.step('read', this.path, false);
    return this.#file.current.read(position, target);
  }

  async readAsync(position: number, target: Uint8Array): Promise<number> {
    this.#check(false);
    this.#device.step('read', this.path, false);
    await this.#device.wait('read');
    return this.#file.current.read(position, target);
  }

  region(position: number, sizeBytes: number): FileRegion {
    this.#check(false);
    return new SimulatedRegion({ position, sizeBytes }, (at, target) => {
      this.#device.step('read', this.path, false);
      return this.#file.current.read(at, target);
    });
  }

  truncate(sizeBytes: number): void {
    this.#check(true);
    this.#device.mustHaveRoom(this.path, sizeBytes - this.#file.current.sizeBytes);
    this.#device.step('truncate', this.path, true);
    this.#file.truncate(sizeBytes);
    this.#file.modifiedMs = this.#device.nowMs();
  }

  setModified(modifiedMs: number): void {
    this.#check(true);
    this.#device.step('setModified', this.path, true);
    this.#file.modifiedMs = modifiedMs;
  }

  async sync(): Promise<void> {
    this.#check(false);
    const capture = this.#beginSync();
    await this.#device.wait('sync');
    this.#file.completeSync(capture);
  }

  syncNow(): void {
    this.#check(false);
    this.#file.completeSync(this.#beginSync());
  }

  close(): void {
    this.#closed = true;
  }

  #beginSync() {
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    const capture = this.#file.beginSync();
    try {
      this.#device.step('sync', this.path, true);
    } catch (error) {
      if (error instanceof DiskError) {
        this.#file.failSync(capture);
        this.#syncFailure = error;
      }
      throw error;
    }
    return capture;
  }

  #check(writes: boolean): void {
    if (this.#closed || (writes && !this.#writable)) throw new DiskError('EBADF', this.path);
  }
}

interface Survivor {
  readonly random: SimulatedRandom;
  readonly root: Folder<SimulatedFile>;
  readonly names: Names;
}

function survive(unsynced: Unsynced, before: Survivor): Survivor {
  if (unsynced === 'keep') return before;
  const { random } = before;
  const names: Names = new WeakMap();
  /** A file may be reached by two names when half of a move survived; it stays one file. */
  const copies = new Map<Entry<SimulatedFile>, Entry<SimulatedFile>>();
  const copy = (entry: Entry<SimulatedFile>): Entry<SimulatedFile> => {
    const made = copies.get(entry);
    if (made !== undefined) return made;
    if (!isFolder(entry)) {
      const file = unsynced === 'lose' ? entry.durableCopy() : entry.randomCopy(random);
      copies.set(entry, file);
      return file;
    }
    const folder: Folder<SimulatedFile> = { entries: new Map() };
    copies.set(entry, folder);
    for (const [name, child] of survivingNames(before, entry, unsynced))
      folder.entries.set(name, copy(child));
    names.set(folder, { entries: new Map(folder.entries), pending: [] });
    return folder;
  };
  return { random, root: copy(before.root) as Folder<SimulatedFile>, names };
}

function survivingNames(before: Survivor, folder: Folder<SimulatedFile>, unsynced: 'lose' | 'random') {
  const names = namesOf(before.names, folder);
  const entries = new Map(names.entries);
  if (unsynced === 'random') {
    for (const change of names.pending) if (before.random.chance(0.5)) applyChange(entries, change);
  }
  return entries;
}

function namesOf(names: Names, folder: Folder<SimulatedFile>): DurableNames {
  let found = names.get(folder);
  if (found === undefined) {
    found = { entries: new Map(), pending: [] };
    names.set(folder, found);
  }
  return found;
}

function usedBytes(folder: Folder<SimulatedFile>): number {
  let total = 0;
  for (const entry of folder.entries.values()) {
    total += isFolder(entry) ? usedBytes(entry) : entry.current.sizeBytes;
  }
  return total;
}

function describe(operation: DiskOperation): string {
  return `${operation.kind} ${operation.path} (operation ${operation.number})`;
}
