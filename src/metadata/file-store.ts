/**
 * The embedded metadata store, for one machine and one process: all keys in memory, every transaction in one
 * file (file-format.ts) and durable before it is answered. Transactions that come while the device is busy
 * become durable together. When the file has grown to twice its snapshot, it is written anew and takes the
 * old one's name.
 *
 * What was read or compared may not be lost either: answers of reads and of refused transactions wait until
 * everything they saw is durable, and watches do not see it before. A failed write or sync ends the store, as
 * nobody knows what of it is on the device; opening it again finds out.
 *
 * Sessions live with the process: they are lost only when the store fails, and opening a store removes the
 * keys of the process before. The last frame of the file is not protected against damage by the device: it
 * looks like a torn write.
 */
import { dirname } from 'node:path';
import { DiskError } from '../base/ports.ts';
import type {
  Compare,
  Disk,
  DiskFile,
  DiskLock,
  MetadataStore,
  Operation,
  Random,
  RangeResult,
  Session,
  TxnResult,
  Watch,
  Watcher,
} from '../base/ports.ts';
import {
  encodeSnapshotEnd,
  encodeSnapshotPart,
  encodeTransactions,
  entryBytes,
  frameHeader,
  HEADER_BYTES,
  MAGIC,
  SALT_BYTES,
  txnBytes,
  ENDED_SESSION,
  FRAME_HEADER_BYTES,
} from './file-format.ts';
import type { LoggedTxn } from './file-format.ts';
import { loadFile } from './file-recovery.ts';
import { checkTxn, Keyspace } from './keyspace.ts';
import type { StoredKey } from './keyspace.ts';
import { MetadataStoreError } from './store-error.ts';
import type { StoreErrorCode } from './store-error.ts';
import { Watches } from './watches.ts';

/** A file smaller than this is not written anew. */
const REWRITE_BYTES_MIN = 1024 * 1024;
const SNAPSHOT_PART_BYTES = 1024 * 1024;
/** Transactions that wait for the device; a frame of all of them is below the format's limit. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
const WAITING_CALLS_MAX = 65_536;

export interface FileStoreOptions {
  readonly disk: Disk;
  readonly random: Random;
  /** The file; `.tmp` and `.lock` are put behind its name for the two files that stand beside it. */
  readonly path: string;
  /** For tests: from which size the file is written anew. */
  readonly rewriteBytesMin?: number;
}

/**
 * Opens the store, or makes it. Throws MetadataStoreError `failed` when another process has it, or when the
 * file is damaged (its end cut off by a crash is no damage), and DiskError.
 */
export function openFileStore(options: FileStoreOptions): MetadataStore {
  const { disk, path } = options;
  makeDirectoryDurably(disk, dirname(path));
  const lock = disk.lock(`${path}.lock`);
  if (lock === undefined) {
    throw new MetadataStoreError('inUse', `the metadata store ${path} is in use by another process`);
  }
  try {
    disk.remove(`${path}.tmp`);
    return new FileStore(options, lock, openFile(options));
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface OpenedFile {
  file: DiskFile;
  salt: Buffer;
  /** Where the next frame goes. */
  endBytes: number;
  /** Where the snapshot ends. */
  snapshotBytes: number;
  readonly keyspace: Keyspace;
}

function openFile(options: FileStoreOptions): OpenedFile {
  const { disk, path } = options;
  if (disk.stat(path) === undefined) {
    const keyspace = new Keyspace();
    const written = writeSnapshot(options, keyspace);
    written.file.syncNow();
    takeName(options);
    return { ...written, keyspace };
  }
  const file = disk.open(path, 'write');
  try {
    const loaded = loadFile(file);
    if (loaded.endBytes < file.sizeBytes()) {
      file.truncate(loaded.endBytes);
      file.syncNow();
    }
    const opened = { ...loaded, file };
    removeEndedSessions(opened);
    return opened;
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * The keys of the sessions of the former process vanish as those of any lost session: by a change of their
 * own.
 */
function removeEndedSessions(opened: OpenedFile): void {
  const { keyspace, file } = opened;
  const operations = keyspace.keysOf(ENDED_SESSION).map((key): Operation => ({ type: 'delete', key }));
  const change = keyspace.apply(operations);
  if (change === undefined) return;
  opened.endBytes += appendFrame(opened, encodeTransactions([{ revision: change.revision, operations }]));
  file.syncNow();
}

/** The bytes written. */
function appendFrame(opened: Omit<OpenedFile, 'keyspace'>, payload: Buffer): number {
  opened.file.write(opened.endBytes, [frameHeader(opened.salt, payload), payload]);
  return FRAME_HEADER_BYTES + payload.length;
}

/** Writes everything into the temporary file, which is left to be synced and to take the name. */
function writeSnapshot(options: FileStoreOptions, keyspace: Keyspace): Omit<OpenedFile, 'keyspace'> {
  const file = options.disk.open(`${options.path}.tmp`, 'create');
  try {
    const salt = options.random.bytes(SALT_BYTES);
    file.write(0, [MAGIC, salt]);
    const written = { file, salt, endBytes: HEADER_BYTES, snapshotBytes: 0 };
    let part: StoredKey[] = [];
    let partBytes = 0;
    for (const entry of keyspace.all()) {
      part.push(entry);
      partBytes += entryBytes(entry);
      if (partBytes < SNAPSHOT_PART_BYTES) continue;
      written.endBytes += appendFrame(written, encodeSnapshotPart(part));
      part = [];
      partBytes = 0;
    }
    if (part.length > 0) written.endBytes += appendFrame(written, encodeSnapshotPart(part));
    written.endBytes += appendFrame(written, encodeSnapshotEnd(keyspace.revision));
    written.snapshotBytes = written.endBytes;
    return written;
  } catch (error) {
    file.close();
    throw error;
  }
}

function takeName({ disk, path }: FileStoreOptions): void {
  disk.rename(`${path}.tmp`, path);
  disk.syncDirectory(dirname(path));
}

function makeDirectoryDurably(disk: Disk, path: string): void {
  if (disk.stat(path) !== undefined) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectoryDurably(disk, parent);
  disk.makeDirectory(path);
  if (parent !== path) disk.syncDirectory(parent);
}

/** A call that is answered once what it did or saw is durable. */
interface WaitingCall {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  /** What a failure of the store means for it. */
  readonly onFailure: StoreErrorCode;
}

class FileStore implements MetadataStore {
  readonly #options: FileStoreOptions;
  readonly #lock: DiskLock;
  readonly #opened: OpenedFile;
  readonly #watches: Watches;
  readonly #sessions = new Map<string, FileSession>();
  #durableRevision: number;
  #rewriteAtBytes: number;
  #transactions: LoggedTxn[] = [];
  #waitingBytes = 0;
  #waiting: WaitingCall[] = [];
  #flushing: Promise<void> | undefined;
  #end: MetadataStoreError | undefined;

  constructor(options: FileStoreOptions, lock: DiskLock, opened: OpenedFile) {
    this.#options = options;
    this.#lock = lock;
    this.#opened = opened;
    this.#durableRevision = opened.keyspace.revision;
    this.#rewriteAtBytes = this.#rewriteThreshold();
    this.#watches = new Watches(opened.keyspace, () => this.#durableRevision);
  }

  async range(prefix: string): Promise<RangeResult> {
    this.#mustBeOpen();
    this.#mustHaveRoom(0);
    const result = this.#opened.keyspace.range(prefix);
    await this.#durable('failed');
    return result;
  }

  async txn(compares: readonly Compare[], operations: readonly Operation[]): Promise<TxnResult> {
    this.#mustBeOpen();
    checkTxn(compares, operations);
    for (const operation of operations) this.#mustHaveSession(operation);
    const { keyspace } = this.#opened;
    const succeeded = keyspace.holds(compares);
    if (succeeded) this.#change(operations);
    const { revision } = keyspace;
    await this.#durable('indeterminate');
    return { succeeded, revision };
  }

  watch(prefix: string, fromRevision: number, watcher: Watcher): Watch {
    const wake = (deliver: () => void): void => queueMicrotask(deliver);
    const watch = this.#watches.add({ prefix, fromRevision, watcher, wake });
    // Later, as everything that a watch tells: the caller has not got the watch yet.
    if (this.#end !== undefined) queueMicrotask(() => this.#watches.end(this.#end));
    return watch;
  }

  /** `ttlMs` has no meaning here: the session ends with the process. */
  async session(_ttlMs: number): Promise<Session> {
    this.#mustBeOpen();
    const id = this.#options.random.bytes(8).toString('hex');
    const session = new FileSession(id, () => this.#endSession(id));
    this.#sessions.set(id, session);
    return session;
  }

  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#end = new MetadataStoreError('closed', 'the metadata store is closed');
    await this.#flushing;
    this.#release();
  }

  async #endSession(id: string): Promise<void> {
    if (!this.#sessions.delete(id)) return;
    this.#mustBeOpen();
    this.#change(this.#opened.keyspace.keysOf(id).map((key) => ({ type: 'delete', key })));
    await this.#durable('indeterminate');
  }

  /** Changes what is in memory; the file follows. */
  #change(operations: readonly Operation[]): void {
    const bytes = txnBytes(operations);
    this.#mustHaveRoom(bytes);
    const { keyspace } = this.#opened;
    const change = keyspace.apply(operations);
    if (change === undefined) return;
    // The keyspace's copies: the caller may reuse its buffers before the file is written.
    const copies = operations.map((operation): Operation => {
      return operation.type === 'put'
        ? { ...operation, value: keyspace.get(operation.key)!.value }
        : operation;
    });
    this.#transactions.push({ revision: change.revision, operations: copies });
    this.#waitingBytes += bytes;
  }

  #durable(onFailure: StoreErrorCode): Promise<void> {
    if (this.#flushing === undefined && this.#transactions.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, onFailure });
      this.#flushing ??= this.#flush();
    });
  }

  async #flush(): Promise<void> {
    // One turn of promises, so that calls made together go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const calls = this.#waiting;
      this.#waiting = [];
      try {
        await this.#flushTransactions();
      } catch (error) {
        this.#fail(error, calls);
        return;
      }
      for (const call of calls) call.resolve();
    }
    this.#flushing = undefined;
  }

  async #flushTransactions(): Promise<void> {
    const transactions = this.#transactions;
    if (transactions.length === 0) return;
    this.#transactions = [];
    this.#waitingBytes = 0;
    const { keyspace } = this.#opened;
    const { revision } = keyspace;
    const rewritten = this.#opened.endBytes >= this.#rewriteAtBytes && (await this.#rewrite());
    if (!rewritten) {
      this.#opened.endBytes += appendFrame(this.#opened, encodeTransactions(transactions));
      await this.#opened.file.sync();
    }
    this.#durableRevision = revision;
    this.#watches.wake();
  }

  /**
   * A new file with everything, also what waits to be written. False: there was no way, the old file goes on.
   */
  async #rewrite(): Promise<boolean> {
    const { disk, path } = this.#options;
    let written: Omit<OpenedFile, 'keyspace'> | undefined;
    try {
      written = writeSnapshot(this.#options, this.#opened.keyspace);
      await written.file.sync();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      written?.file.close();
      disk.remove(`${path}.tmp`);
      this.#rewriteAtBytes *= 2;
      return false;
    }
    this.#opened.file.close();
    Object.assign(this.#opened, written);
    takeName(this.#options);
    this.#rewriteAtBytes = this.#rewriteThreshold();
    return true;
  }

  #rewriteThreshold(): number {
    const min = this.#options.rewriteBytesMin ?? REWRITE_BYTES_MIN;
    return Math.max(min, 2 * this.#opened.snapshotBytes);
  }

  #fail(cause: unknown, calls: readonly WaitingCall[]): void {
    const message = 'the metadata store cannot write its file';
    this.#end = new MetadataStoreError('failed', message, { cause });
    for (const call of [...calls, ...this.#waiting]) {
      call.reject(new MetadataStoreError(call.onFailure, message, { cause }));
    }
    this.#waiting = [];
    this.#watches.end(this.#end);
    for (const session of this.#sessions.values()) session.onLost();
    this.#release();
  }

  #release(): void {
    this.#sessions.clear();
    this.#watches.end();
    this.#opened.file.close();
    this.#lock.release();
  }

  #mustHaveRoom(bytes: number): void {
    if (this.#waitingBytes + bytes <= WAITING_BYTES_MAX && this.#waiting.length < WAITING_CALLS_MAX) return;
    throw new MetadataStoreError('refused', 'too much is waiting for the metadata store');
  }

  #mustBeOpen(): void {
    if (this.#end !== undefined) throw this.#end;
  }

  #mustHaveSession(operation: Operation): void {
    if (operation.type !== 'put' || operation.sessionId === undefined) return;
    if (this.#sessions.has(operation.sessionId)) return;
    throw new MetadataStoreError('sessionNotFound', 'the session has ended');
  }
}

class FileSession implements Session {
  readonly id: string;
  onLost: () => void = () => {};
  readonly #end: () => Promise<void>;

  constructor(id: string, end: () => Promise<void>) {
    this.id = id;
    this.#end = end;
  }

  /** Nobody else has the store. */
  isAlive(): boolean {
    return true;
  }

  close(): Promise<void> {
    return this.#end();
  }
}
