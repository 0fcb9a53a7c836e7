/**
 * Folders and names in memory, with the errors that a file system gives. What a file is, the user decides:
 * the memory disk and the simulated disk keep different things behind a name. Every change of a folder is
 * told to `changed`, for the simulated disk to know which names are not durable yet.
 */
import { posix } from 'node:path';
import { DiskError } from '../base/ports.ts';

export interface Folder<F> {
  readonly entries: Map<string, Entry<F>>;
}

export type Entry<F> = Folder<F> | F;

/**
 * One change of the names in one folder. A rename within a folder is one change: it happens whole or not at
 * all.
 */
export interface FolderChange<F> {
  readonly sets?: { readonly name: string; readonly entry: Entry<F> };
  readonly removes?: string;
}

type Changed<F> = (folder: Folder<F>, change: FolderChange<F>) => void;

export class FileTree<F extends object> {
  readonly root: Folder<F>;
  readonly #changed: Changed<F>;

  constructor(root: Folder<F> = { entries: new Map() }, changed: Changed<F> = () => {}) {
    this.root = root;
    this.#changed = changed;
  }

  find(path: string): Entry<F> | undefined {
    let entry: Entry<F> = this.root;
    for (const name of namesOf(path)) {
      if (!isFolder(entry)) return undefined;
      const next: Entry<F> | undefined = entry.entries.get(name);
      if (next === undefined) return undefined;
      entry = next;
    }
    return entry;
  }

  folder(path: string): Folder<F> {
    const entry = this.find(path);
    if (entry === undefined) throw new DiskError('ENOENT', path);
    if (!isFolder(entry)) throw new DiskError('ENOTDIR', path);
    return entry;
  }

  /** The file at `path`; `make` is called for a missing one when it is given. */
  file(path: string, make?: () => F): F {
    const entry = this.find(path);
    if (entry !== undefined) {
      if (isFolder(entry)) throw new DiskError('EISDIR', path);
      return entry;
    }
    if (make === undefined) throw new DiskError('ENOENT', path);
    const file = make();
    this.#apply(this.folder(posix.dirname(whole(path))), {
      sets: { name: posix.basename(whole(path)), entry: file },
    });
    return file;
  }

  makeDirectory(path: string): void {
    let folder = this.root;
    for (const name of namesOf(path)) {
      let next = folder.entries.get(name);
      if (next === undefined) {
        next = { entries: new Map() };
        this.#apply(folder, { sets: { name, entry: next } });
      } else if (!isFolder(next)) {
        throw new DiskError('ENOTDIR', path);
      }
      folder = next;
    }
  }

  rename(from: string, to: string): void {
    const entry = this.find(from);
    if (entry === undefined) throw new DiskError('ENOENT', from);
    if (`${whole(to)}/`.startsWith(`${whole(from)}/`)) {
      if (whole(to) === whole(from)) return;
      throw new DiskError('EINVAL', from);
    }
    const target = this.find(to);
    if (target !== undefined) mayReplace(entry, target, to);
    const source = this.folder(posix.dirname(whole(from)));
    const destination = this.folder(posix.dirname(whole(to)));
    const sets = { name: posix.basename(whole(to)), entry };
    const removes = posix.basename(whole(from));
    if (source === destination) {
      this.#apply(source, { sets, removes });
    } else {
      this.#apply(destination, { sets });
      this.#apply(source, { removes });
    }
  }

  /** The removed file; undefined when nothing was there. */
  remove(path: string): F | undefined {
    const entry = this.find(path);
    if (entry === undefined) return undefined;
    if (isFolder(entry)) throw new DiskError('EISDIR', path);
    this.#apply(this.folder(posix.dirname(whole(path))), { removes: posix.basename(whole(path)) });
    return entry;
  }

  removeDirectory(path: string): void {
    if (this.find(path) === undefined) return;
    if (whole(path) === '/') throw new DiskError('EBUSY', path);
    this.#apply(this.folder(posix.dirname(whole(path))), { removes: posix.basename(whole(path)) });
  }

  #apply(folder: Folder<F>, change: FolderChange<F>): void {
    applyChange(folder.entries, change);
    this.#changed(folder, change);
  }
}

export function applyChange<F>(entries: Map<string, Entry<F>>, change: FolderChange<F>): void {
  if (change.removes !== undefined) entries.delete(change.removes);
  if (change.sets !== undefined) entries.set(change.sets.name, change.sets.entry);
}

export function isFolder<F>(entry: Entry<F>): entry is Folder<F> {
  return typeof entry === 'object' && entry !== null && 'entries' in entry;
}

/** Absolute, with one form for each place. Relative paths count from the root. */
export function whole(path: string): string {
  const normal = posix.join('/', process.platform === 'win32' ? path.replaceAll('\\', '/') : path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

function namesOf(path: string): string[] {
  return whole(path)
    .split('/')
    .filter((name) => name !== '');
}

function mayReplace<F>(entry: Entry<F>, target: Entry<F>, path: string): void {
  if (!isFolder(target)) {
    if (isFolder(entry)) throw new DiskError('ENOTDIR', path);
    return;
  }
  if (!isFolder(entry)) throw new DiskError('EISDIR', path);
  if (target.entries.size > 0) throw new DiskError('ENOTEMPTY', path);
}

/** Releasing a lock a second time must not release it from the hands of whoever has it now. */
export function once(call: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) call();
    isDone = true;
  };
}
