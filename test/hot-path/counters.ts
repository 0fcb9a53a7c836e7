/** Ports that count what passes through them, and counts of what the process itself allocates and copies. */
import { getHeapStatistics } from 'node:v8';
import type { TestContext } from 'node:test';
import { isRegion, sizeOfPart } from '../../src/base/outgoing.ts';
import type { Connection, Disk, DiskFile, Network, Outgoing } from '../../src/base/ports.ts';

export interface Counts {
  /** Calls on `.log` files; each is one system call on a real disk. */
  logWrites: number;
  logReads: number;
  logReadBytes: number;
  /** Reads that another thread makes. */
  logReadsAsync: number;
  logSyncs: number;
  /** Calls on connections; each is one system call. */
  connectionWrites: number;
  /** Regions of `.log` files: asked for, sent, and let go. */
  regionsMade: number;
  regionsSent: number;
  regionsReleased: number;
  /** Buffers with memory of their own, outside the heap. */
  buffersMade: number;
  /** Bytes copied from one buffer into another, but for those that the disk takes or gives. */
  bytesCopied: number;
}

export function noCounts(): Counts {
  return {
    logWrites: 0,
    logReads: 0,
    logReadBytes: 0,
    logReadsAsync: 0,
    logSyncs: 0,
    connectionWrites: 0,
    regionsMade: 0,
    regionsSent: 0,
    regionsReleased: 0,
    buffersMade: 0,
    bytesCopied: 0,
  };
}

/** So much of a `.log` file can be read again; memory that is never touched costs nothing. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;

/** The native copies, whatever counts them later. */
const { copy } = Buffer.prototype;
const { allocUnsafeSlow: make } = Buffer;

/** A disk whose `.log` files are counted, and lie in memory in a way that takes no heap. */
export function countingDisk(disk: Disk, counts: Counts, regionBytesMin: number): Disk {
  return {
    ...disk,
    regionBytesMin,
    open(path, mode) {
      const file = disk.open(path, mode);
      return path.endsWith('.log') ? countingFile(file, counts) : file;
    },
  };
}

function countingFile(file: DiskFile, counts: Counts): DiskFile {
  const content: Buffer = make(LOG_BYTES_MAX);
  let end = 0;
  const read = (position: number, target: Uint8Array): number =>
    copy.call(content, target, 0, position, Math.min(end, position + target.length));
  return {
    path: file.path,
    sizeBytes: () => end,
    write(position, buffers) {
      counts.logWrites += 1;
      let at = position;
      for (const buffer of buffers) {
        // What comes behind the limit is nothing that a test reads.
        copy.call(buffer as Buffer, content, Math.min(at, LOG_BYTES_MAX));
        at += buffer.length;
      }
      end = Math.max(end, at);
    },
    read(position, target) {
      counts.logReads += 1;
      counts.logReadBytes += target.length;
      return read(position, target);
    },
    readAsync(position, target) {
      counts.logReadsAsync += 1;
      return Promise.resolve(read(position, target));
    },
    region(position, sizeBytes) {
      counts.regionsMade += 1;
      return {
        sizeBytes,
        read: (at, target) => read(position + at, target),
        release: () => void (counts.regionsReleased += 1),
      };
    },
    truncate(sizeBytes) {
      end = sizeBytes;
    },
    sync() {
      counts.logSyncs += 1;
      return Promise.resolve();
    },
    setModified: (modifiedMs) => file.setModified(modifiedMs),
    syncNow() {},
    close: () => file.close(),
  };
}

/** A client's end of a connection without a network between. */
export class Wire implements Connection {
  readonly remoteHost = '127.0.0.1';
  readonly remotePort = 1;
  readonly localPort = 9092;
  readonly sendsRegions = true;
  onData: (chunk: Buffer) => void = () => {};
  onDrain: () => void = () => {};
  onClose: (error: Error | undefined) => void = () => {};
  /** Bytes that were written, when they are kept. */
  readonly received: Buffer[] = [];
  isKeeping = false;
  receivedBytes = 0;
  isDestroyed = false;
  readonly #counts: Counts;

  constructor(counts: Counts) {
    this.#counts = counts;
  }

  write(parts: readonly Outgoing[], onWritten?: () => void): boolean {
    this.#counts.connectionWrites += 1;
    for (const part of parts) {
      this.receivedBytes += sizeOfPart(part);
      if (isRegion(part)) this.#counts.regionsSent += 1;
      if (this.isKeeping) this.received.push(bytesOf(part));
    }
    onWritten?.();
    return true;
  }

  pendingBytes(): number {
    return 0;
  }
  pendingRegionBytes(): number {
    return 0;
  }
  pause(): void {}
  resume(): void {}
  end(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.onClose(undefined);
  }
}

function bytesOf(part: Outgoing): Buffer {
  if (!isRegion(part)) return Buffer.from(part);
  const bytes = Buffer.alloc(part.sizeBytes);
  part.read(0, bytes);
  return bytes;
}

/** A network in which connections are made by hand. */
export function handmadeNetwork(): { readonly network: Network; connect(counts: Counts): Wire } {
  let accept: (connection: Connection) => void = () => {};
  const network: Network = {
    listen(options, onConnection) {
      accept = onConnection;
      return Promise.resolve({ host: options.host, port: 9092, close: () => Promise.resolve() });
    },
    connect: () => Promise.reject(new Error('nobody is there')),
  };
  return {
    network,
    connect(counts) {
      const wire = new Wire(counts);
      accept(wire);
      return wire;
    },
  };
}

/** Counts buffers made and bytes copied until the test is over. By hand: a mock would keep a note of each call. */
export function watchBuffers(t: TestContext, counts: Counts): void {
  const { set } = Buffer.prototype;
  const { allocUnsafe, allocUnsafeSlow, alloc, concat, from } = Buffer;
  t.after(() => {
    Object.assign(Buffer.prototype, { copy, set });
    Object.assign(Buffer, { allocUnsafe, allocUnsafeSlow, alloc, concat, from });
  });
  Buffer.prototype.copy = function counted(this: Buffer, ...of: Parameters<typeof copy>) {
    const copied = copy.apply(this, of);
    counts.bytesCopied += copied;
    return copied;
  };
  Buffer.prototype.set = function counted(this: Buffer, from: ArrayLike<number>, at?: number) {
    counts.bytesCopied += from.length;
    set.call(this, from, at);
  };
  Buffer.allocUnsafeSlow = (size) => {
    counts.buffersMade += 1;
    return allocUnsafeSlow(size);
  };
  Buffer.allocUnsafe = (size) => {
    // Smaller ones are parts of a shared one.
    if (size >= Buffer.poolSize / 2) counts.buffersMade += 1;
    return allocUnsafe(size);
  };
  Buffer.from = ((...of: Parameters<typeof from>) => {
    if (ArrayBuffer.isView(of[0])) counts.bytesCopied += of[0].byteLength;
    return from(...of);
  }) as typeof from;
  Buffer.alloc = (...of: Parameters<typeof alloc>) => {
    counts.buffersMade += 1;
    return alloc(...of);
  };
  Buffer.concat = (list: readonly Uint8Array[], sizeBytes?: number) => {
    const whole = concat(list, sizeBytes);
    counts.bytesCopied += whole.length;
    return whole;
  };
}

/** All bytes that the heap has ever given out. */
export function heapBytes(): number {
  // Not in the types yet.
  return (getHeapStatistics() as unknown as { total_allocated_bytes: number }).total_allocated_bytes;
}
