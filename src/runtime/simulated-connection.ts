/**
 * One end of a simulated connection. What one end sends passes through a first-in-first-out stream to the
 * other: bytes, the end, a reset. Bytes count as gone from the sender when they enter the stream, which has
 * room for a window of bytes that are on their way or not read yet; room comes back with an acknowledgement,
 * which travels as everything else does.
 */
import { isRegion, sizeOfPart } from '../base/outgoing.ts';
import { DiskError } from '../base/ports.ts';
import type { Connection, Outgoing } from '../base/ports.ts';
import type { SimulatedProcess, SimulatedTime } from './simulated-clock.ts';
import { SimulatedCrash } from './simulated-disk.ts';
import type { SimulatedRandom } from './simulated-random.ts';

/** As the real network's: more bytes than this waiting, and `write` answers false. */
const PENDING_BYTES_MAX = 64 * 1024;
/** What chunks are filled with once they have been delivered. */
const USED_UP = 0xdd;

/** The way from one host to another. */
export interface Link {
  isOpen(): boolean;
  /** Calls once when the way is open again. */
  whenOpen(resume: () => void): void;
  latencyMs(): number;
  /** The host at the other end has no power. */
  isDark(): boolean;
}

export interface EndpointOptions {
  readonly host: string;
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly process: SimulatedProcess;
  readonly time: SimulatedTime;
  readonly random: SimulatedRandom;
  readonly link: Link;
  readonly chunkBytesMax: number;
  readonly windowBytes: number;
  readonly onGone: () => void;
}

interface PendingWrite {
  readonly parts: readonly Outgoing[];
  readonly onWritten: (() => void) | undefined;
}

export class SimulatedEndpoint implements Connection {
  readonly host: string;
  readonly remoteHost: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly sendsRegions = true;
  onData: (chunk: Buffer) => void = () => {};
  onDrain: () => void = () => {};
  onClose: (error: Error | undefined) => void = () => {};
  readonly #options: EndpointOptions;
  #peer: SimulatedEndpoint | undefined;
  /** What is on its way to the peer, in order. */
  readonly #stream: (() => void)[] = [];
  #onTheWayBytes = 0;
  #writes: PendingWrite[] = [];
  /** How much of the first part of the first write has gone. */
  #firstWriteGone = 0;
  #firstPart = 0;
  #pendingBytes = 0;
  #pendingRegionBytes = 0;
  #drainOwed = false;
  #ending = false;
  #closed = false;
  #paused = false;
  #unread: Buffer[] = [];
  #endArrived = false;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.host = options.host;
    this.remoteHost = options.remoteHost;
    this.remotePort = options.remotePort;
    this.localPort = options.localPort;
  }

  /** `first`: arrives at the peer before anything else does. */
  attach(peer: SimulatedEndpoint, first?: () => void): void {
    this.#peer = peer;
    if (first !== undefined) this.#send(first);
  }

  write(parts: readonly Outgoing[], onWritten?: () => void): boolean {
    if (this.#closed || this.#ending || parts.length === 0) {
      if (onWritten !== undefined) this.#soon(onWritten);
      return !this.#closed && !this.#ending && !this.#drainOwed;
    }
    this.#writes.push({ parts: parts.slice(), onWritten });
    for (const part of parts) this.#count(part, sizeOfPart(part));
    this.#pump();
    if (this.#closed) return false;
    if (this.#pendingBytes <= PENDING_BYTES_MAX) return true;
    this.#drainOwed = true;
    return false;
  }

  pendingBytes(): number {
    return this.#pendingBytes;
  }

  pendingRegionBytes(): number {
    return this.#pendingRegionBytes;
  }

  #count(part: Outgoing, bytes: number): void {
    this.#pendingBytes += bytes;
    if (isRegion(part)) this.#pendingRegionBytes += bytes;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#soon(() => this.#deliverUnread());
  }

  end(): void {
    if (this.#closed) return;
    this.#ending = true;
    this.#pump();
  }

  destroy(): void {
    if (this.#closed) return;
    // A system that closes while there are bytes nobody read resets the connection.
    const peer = this.#peer!;
    if (this.#unread.length > 0) this.#send(() => peer.fail('ECONNRESET'));
    else this.#send(() => peer.#arriveEnd());
    this.#close(undefined);
  }

  /** The connection broke. */
  fail(code: string): void {
    if (!this.#closed) this.#close(Object.assign(new Error(code), { code }));
  }

  /** The host lost its power: this end is gone, and the peer is not told. */
  vanish(): void {
    this.#closed = true;
    this.#options.onGone();
  }

  #pump(): void {
    const { windowBytes, chunkBytesMax, random, link } = this.#options;
    while (this.#writes.length > 0 && !this.#closed) {
      const room = windowBytes - this.#onTheWayBytes;
      if (room <= 0 && this.#pendingBytes > 0) return;
      // A chunk may hold several writes, or a part of one: the receiver learns nothing from where it ends.
      const chunk = this.#take(Math.max(0, Math.min(room, random.between(1, chunkBytesMax))));
      if (chunk === undefined) return;
      if (chunk.length === 0) continue;
      if (windowBytes < Infinity) this.#onTheWayBytes += chunk.length;
      const peer = this.#peer!;
      this.#send(() => {
        if (!link.isDark()) peer.#arrive(chunk);
      });
    }
    if (this.#drainOwed && !this.#closed) {
      this.#drainOwed = false;
      this.#soon(() => {
        if (!this.#closed) this.onDrain();
      });
    }
    if (this.#ending && !this.#closed) {
      const peer = this.#peer!;
      this.#send(() => peer.#arriveEnd());
      this.#close(undefined);
    }
  }

  /**
   * Up to `limit` bytes of what is pending, copied: from now on their owner may change them. Undefined: a region could not
   * be read, and the connection is broken.
   */
  #take(limit: number): Buffer | undefined {
    const chunk = Buffer.allocUnsafe(Math.min(limit, this.#pendingBytes));
    let filled = 0;
    while (this.#writes.length > 0) {
      const write = this.#writes[0]!;
      const part = write.parts[this.#firstPart];
      if (part === undefined) {
        this.#writes.shift();
        this.#firstPart = 0;
        if (write.onWritten !== undefined) this.#soon(write.onWritten);
        continue;
      }
      const left = sizeOfPart(part) - this.#firstWriteGone;
      const target = chunk.subarray(filled, filled + Math.min(chunk.length - filled, left));
      if (!copyTo(target, part, this.#firstWriteGone)) {
        this.#breakOff();
        return undefined;
      }
      filled += target.length;
      this.#count(part, -target.length);
      this.#firstWriteGone += target.length;
      if (target.length < left) break;
      this.#firstWriteGone = 0;
      this.#firstPart += 1;
    }
    return chunk;
  }

  /** An answer that has begun cannot be taken back. */
  #breakOff(): void {
    const peer = this.#peer!;
    this.#send(() => peer.fail('ECONNRESET'));
    this.fail('EIO');
  }

  /** Puts something on its way to the peer. What is sent first arrives first, whichever was the faster. */
  #send(arrive: () => void): void {
    const { time, link } = this.#options;
    this.#stream.push(arrive);
    const deliver = (): void => {
      if (link.isOpen()) this.#stream.shift()!();
      else link.whenOpen(deliver);
    };
    time.schedule(link.latencyMs(), deliver);
  }

  #arrive(chunk: Buffer): void {
    const peer = this.#peer!;
    if (this.#closed) {
      // Nobody is here any more; whoever still sends is told.
      this.#send(() => peer.fail('ECONNRESET'));
      return;
    }
    this.#unread.push(chunk);
    // By the receiver's own event, so that a process that is paused or dead does not handle it.
    this.#options.time.schedule(0, () => this.#deliverUnread(), this.#options.process);
  }

  #deliverUnread(): void {
    while (!this.#paused && !this.#closed && this.#unread.length > 0) {
      const chunk = this.#unread.shift()!;
      const peer = this.#peer!;
      if (this.#options.windowBytes < Infinity) this.#send(() => peer.#acknowledge(chunk.length));
      this.onData(chunk);
      // It may be used again now, and whoever kept a view of it shall notice.
      chunk.fill(USED_UP);
    }
    if (this.#endArrived && !this.#closed && !this.#paused && this.#unread.length === 0) this.end();
  }

  #arriveEnd(): void {
    if (this.#closed) return;
    this.#endArrived = true;
    this.#options.time.schedule(0, () => this.#deliverUnread(), this.#options.process);
  }

  #acknowledge(count: number): void {
    this.#onTheWayBytes -= count;
    if (!this.#closed) this.#pump();
  }

  #close(error: Error | undefined): void {
    this.#closed = true;
    this.#options.onGone();
    this.#pendingBytes = 0;
    this.#pendingRegionBytes = 0;
    this.#unread = [];
    for (const write of this.#writes.splice(0))
      if (write.onWritten !== undefined) this.#soon(write.onWritten);
    this.#soon(() => this.onClose(error));
  }

  #soon(callback: () => void): void {
    this.#options.time.soon(callback, this.#options.process);
  }
}

/** Fills `target` with what comes `at` bytes after the part's begin; false: it is not to be had. */
function copyTo(target: Buffer, part: Outgoing, at: number): boolean {
  if (!isRegion(part)) {
    target.set(part.subarray(at, at + target.length));
    return true;
  }
  try {
    return part.read(at, target) === target.length;
  } catch (error) {
    if (error instanceof DiskError || error instanceof SimulatedCrash) return false;
    throw error;
  }
}
