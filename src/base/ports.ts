/**
 * The ports: everything impure that Headrace needs, as interfaces. `runtime/` implements each of them twice, real and
 * simulated, and only `bin/`, `testing/` and tests choose between the two; every other layer gets them as arguments,
 * so a whole cluster runs in one process from a seed, and a crash at any disk operation can be tested.
 */

/** Wall time and monotonic time. They are apart because wall time may jump: durations are measured with `monotonicMs`. */
export interface Clock {
  /** Milliseconds since the epoch, an integer: what goes into records and retention. May go back. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, fractional. Never goes back. */
  monotonicMs(): number;
}

/** A pending call; `cancel` may be called any number of times, also after it ran. */
export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Calls back once, at least `delayMs` (>= 0) of monotonic time from now. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls back once, soon, after the events that are already pending: the end of a "tick" for group commits. */
  soon(callback: () => void): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform integer in [0, limit), limit in 1..2^32. */
  integer(limit: number): number;
  /** `size` bytes that nobody can predict in the real implementation. */
  bytes(size: number): Buffer;
}

/** How a file is opened: `read` must exist; `write` must exist, for reading and writing; `create` makes it if missing. */
export type OpenMode = 'read' | 'write' | 'create';

export interface FileStat {
  readonly isDirectory: boolean;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
}

/**
 * Files. Calls are synchronous except those that may wait for the device for long (`sync` and the ...Async ones), because a
 * write into the page cache costs microseconds and a log that appends in one step is simple to reason about. Failures
 * throw (or reject with) `DiskError`. Paths are absolute or relative to the process, with the platform's separators.
 */
export interface Disk {
  /** From this size on it pays to send a part of a file as a region; Infinity where it never does. */
  readonly regionBytesMin: number;
  open(path: string, mode: OpenMode): DiskFile;
  /** Names in the folder, sorted. */
  list(path: string): string[];
  /** Undefined when nothing is there. */
  stat(path: string): FileStat | undefined;
  /** Also makes missing parents; no error when it exists. */
  makeDirectory(path: string): void;
  /** Replaces `to` atomically if it exists. Durable only after `syncDirectory` of both parents. */
  rename(from: string, to: string): void;
  /** Removes a file; no error when it is missing. */
  remove(path: string): void;
  /** As `remove`, without blocking: freeing a large file takes the system long. */
  removeAsync(path: string): Promise<void>;
  /** Removes a folder with everything in it; no error when it is missing. */
  removeDirectory(path: string): void;
  /** As `removeDirectory`, without blocking. Nothing may be made in the folder meanwhile. */
  removeDirectoryAsync(path: string): Promise<void>;
  /** Makes creations, renames and removals directly in this folder durable. A no-op where the platform has none. */
  syncDirectory(path: string): void;
  /** As `syncDirectory`, without blocking, for what was changed before the call. */
  syncDirectoryAsync(path: string): Promise<void>;
  /** Takes an exclusive advisory lock for this process's life, or until `release`. Undefined: another process has it. */
  lock(path: string): DiskLock | undefined;
  /** Bytes of the volume that holds `path`. */
  space(path: string): { totalBytes: number; usableBytes: number };
}

export interface DiskLock {
  release(): void;
}

export interface DiskFile {
  readonly path: string;
  /** The current length in bytes. */
  sizeBytes(): number;
  /** Writes all of `buffers`, one after the other, at `position`, which may be at most the current length. */
  write(position: number, buffers: readonly Uint8Array[]): void;
  /** Reads up to `target.length` bytes from `position`; the number read is smaller only at the end of the file. */
  read(position: number, target: Uint8Array): number;
  /** As `read`, without blocking; `target` belongs to the call until it settles. */
  readAsync(position: number, target: Uint8Array): Promise<number>;
  /** A part of the file, at least one byte, for a connection to send: readable until released, whatever becomes of the file. */
  region(position: number, sizeBytes: number): FileRegion;
  truncate(sizeBytes: number): void;
  /** What `stat` says from now on, until the next write. A crash may bring another time back. */
  setModified(modifiedMs: number): void;
  /** Makes written bytes and the length durable (fdatasync). A failure is final for the file: never retry and trust it. */
  sync(): Promise<void>;
  syncNow(): void;
  close(): void;
}

/** A part of a file that is sent without passing through memory of ours: the bytes are read when it is their turn. */
export interface FileRegion {
  readonly sizeBytes: number;
  /** As `DiskFile.read`, with `at` counted from where the region begins. */
  read(at: number, target: Uint8Array): number;
  /** Nobody reads or sends it any more. Whoever asked for the region calls this once. */
  release(): void;
}

/** What a connection sends. */
export type Outgoing = Uint8Array | FileRegion;

/** A failed disk call. `code` is the system's name: ENOENT, ENOSPC, EIO, EMFILE... */
export class DiskError extends Error {
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, options?: { cause?: unknown }) {
    super(`${code}: ${path}`, options);
    this.name = 'DiskError';
    this.code = code;
    this.path = path;
  }
}

/** One end of the way between two threads. Messages are plain values: the other side gets a copy. */
export interface ThreadPort {
  post(message: object): void;
  onMessage: (message: unknown) => void;
}

/** A thread of this process, seen by the one that started it. */
export interface Thread extends ThreadPort {
  /** Called once when it has ended by itself; with an error when that was why. */
  onExit: (error: Error | undefined) => void;
  /** Ends it, whatever it is doing. */
  terminate(): void;
}

export interface Network {
  /** Resolves when it listens; port 0 takes a free one. Rejects with an Error whose `code` is EADDRINUSE, EACCES... */
  listen(options: ListenOptions, onConnection: (connection: Connection) => void): Promise<Listener>;
  /** With `tls` it resolves after the handshake; rejects with the system's error, or TlsError. */
  connect(host: string, port: number, tls?: ClientTls): Promise<Connection>;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly backlog?: number;
  /** Connections are handed over after the handshake. The simulated network carries all in the clear. */
  readonly tls?: ServerTls;
}

/** TLS versions, by their names in Kafka's settings, the older first. */
export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** What one side shows, and whom it believes. All in PEM. */
export interface TlsIdentity {
  /** With those that vouch for it, its own first. */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Where the key is encrypted. */
  readonly keyPassword?: string | undefined;
  /** Who may vouch for the other side; undefined: whom the system believes. */
  readonly authorities?: string | undefined;
  readonly versionMin: TlsVersion;
  readonly versionMax: TlsVersion;
  /** By their names in OpenSSL, with colons between; undefined: its own choice. */
  readonly ciphers?: string | undefined;
}

export interface ServerTls extends TlsIdentity {
  /** Whether the client must, may or need not show a certificate. One that is not believed is refused in any case. */
  readonly clientAuth: 'required' | 'requested' | 'none';
}

export interface ClientTls extends TlsIdentity {
  /** Whether the server's certificate must name the host that was connected to. */
  readonly checksHost: boolean;
  /** Whether somebody who is believed must vouch for it. Default: true. */
  readonly checksAuthority?: boolean | undefined;
  /** The name to ask for, in place of the host's. */
  readonly serverName?: string | undefined;
}

/** Certificates or keys that cannot be used, or a handshake that failed; the message says why. */
export class TlsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TlsError';
  }
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Only of one that listens with TLS: what connections to come are served with. Throws TlsError; it stays as it was then. */
  renewTls?(tls: ServerTls): void;
  /** Stops accepting; connections that are open stay open. */
  close(): Promise<void>;
}

/** A byte stream in both directions. Handlers are set once, in the turn in which the connection is handed over. */
export interface Connection {
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  /** Whether the system sends regions by itself. Else they pass through memory (encryption), and reading them first is better. */
  readonly sendsRegions: boolean;
  /** The certificate (DER) by which the other side has shown who it is; undefined: it did not. */
  readonly peerCertificate?: Buffer | undefined;
  /** Bytes arrived. The chunk is the receiver's until it returns, then it is used again: what is to stay is copied. */
  onData: (chunk: Buffer) => void;
  /** Everything handed to `write` so far has left for the kernel after `write` returned false. */
  onDrain: () => void;
  /** Called once, for whatever reason; no other handler is called after it. */
  onClose: (error: Error | undefined) => void;
  /** Sends the parts in order; false: the peer is slower than we are, wait for `onDrain` before more. Buffers must stay
   * unchanged, and regions unreleased, until they have left: whoever recycles a buffer waits for the write's `onWritten`.
   * A region whose file has become too short breaks the connection. */
  write(parts: readonly Outgoing[], onWritten?: () => void): boolean;
  /** Bytes handed to `write` that have not left yet. */
  pendingBytes(): number;
  /** How many of them lie in files, and take no memory. */
  pendingRegionBytes(): number;
  /** Stops and resumes `onData`: back-pressure towards the peer. */
  pause(): void;
  resume(): void;
  /** Sends what is pending, then closes. */
  end(): void;
  /** Closes now. */
  destroy(): void;
}

/**
 * The metadata store, shaped like etcd v3: a flat, ordered key space under one cluster; each successful change has the
 * next revision; compare-and-set transactions; watches from a revision; sessions (leases). Revisions start at 1.
 */
export interface MetadataStore {
  /** All keys that start with `prefix`, sorted by key, as of one revision. Linearizable. */
  range(prefix: string): Promise<RangeResult>;
  /** Applies all `operations` at one revision if every compare holds, else nothing. At most 128 operations. Rejects
   * with an Error when the outcome is unknown: the caller must read before it decides anything. */
  txn(compares: readonly Compare[], operations: readonly Operation[]): Promise<TxnResult>;
  /** Delivers every event with revision >= fromRevision under `prefix`, in order, each revision's events in one call. */
  watch(prefix: string, fromRevision: number, watcher: Watcher): Watch;
  /** Keys put with a session vanish when it ends: closed, or not kept alive for `ttlMs`. */
  session(ttlMs: number): Promise<Session>;
  close(): Promise<void>;
}

export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  /** The revision at which the key was created, and that of its last change. */
  readonly createRevision: number;
  readonly modRevision: number;
}

export interface RangeResult {
  readonly revision: number;
  readonly entries: readonly KeyValue[];
}

/** Revision 0 stands for "the key does not exist". */
export type Compare =
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly modRevision: number };

export type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: Buffer; readonly sessionId?: string }
  | { readonly type: 'delete'; readonly key: string };

export interface TxnResult {
  readonly succeeded: boolean;
  /** The revision of the change, or the store's current one when it did not succeed. */
  readonly revision: number;
}

export interface WatchEvent {
  readonly key: string;
  /** Undefined: the key was deleted. */
  readonly value: Buffer | undefined;
  readonly createRevision: number;
  readonly modRevision: number;
}

export interface Watcher {
  onEvents(revision: number, events: readonly WatchEvent[]): void;
  /** Events from `fromRevision` on are gone, or the connection is lost for good: range again and watch from there. */
  onLost(error: Error): void;
}

export interface Watch {
  cancel(): void;
}

export interface Session {
  readonly id: string;
  /** Called once when the session can no longer be trusted. */
  onLost: () => void;
  /** Whether the store is certain to have the session at this moment, whatever has been heard of it yet. */
  isAlive(): boolean;
  close(): Promise<void>;
}

/** Structured logging: the message is a constant sentence, what varies is in `fields`. Secrets never are. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** The same logger with fields added to each line. */
  child(fields: object): Logger;
}

/** What most of the server needs, together. */
export interface Ports {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly logger: Logger;
  /** Of the running system; undefined where it has none: then a restart of it cannot be told from one of the process. */
  readonly bootId?: string | undefined;
}
