/**
 * What a socket is to send when regions of files are among it: buffers go through the socket, regions past it, by
 * sendfile on its descriptor, when nothing else is pending. When the system takes no more, or sends no files, the next
 * piece of a region is read and written through the socket, which tells when it has left: so nobody has to ask why a call
 * failed, and whoever has the reason (a peer that has gone, a device that does not read) says it.
 */
import type { Socket } from 'node:net';
import { isRegion, sizeOfPart } from '../base/outgoing.ts';
import type { FileRegion, Outgoing } from '../base/ports.ts';
import { RealRegion } from './real-region.ts';

/** What is sent before others have their turn. */
const TURN_BYTES_MAX = 1024 * 1024;
/** What goes through memory when the socket is full: little, since there is room for much more once it has left. */
const PIECE_BYTES_MAX = 32 * 1024;

interface Entry {
  readonly part: Outgoing;
  readonly onWritten: (() => void) | undefined;
}

export class OutgoingQueue {
  readonly #socket: Socket;
  readonly #isDirect: boolean;
  readonly #onIdle: () => void;
  #entries: Entry[] = [];
  /** How much of the region at the head has left, or been handed to the socket. */
  #sentBytes = 0;
  #pendingBytes = 0;
  #pendingRegionBytes = 0;
  /** Calls of `#goOn` that will come. */
  #owedCalls = 0;
  #isRunning = false;

  constructor(options: {
    readonly socket: Socket;
    /** The socket's bytes are those of the connection: false where it encrypts them, and nothing may go past it. */
    readonly isDirect: boolean;
    /** All has left. Never called within `push`. */
    readonly onIdle: () => void;
  }) {
    this.#socket = options.socket;
    this.#isDirect = options.isDirect;
    this.#onIdle = options.onIdle;
  }

  /** Bytes that were not handed to the socket yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get pendingRegionBytes(): number {
    return this.#pendingRegionBytes;
  }

  /** Nothing waits here, and `onIdle` was called if it was to be. */
  get isIdle(): boolean {
    return this.#entries.length === 0 && this.#owedCalls === 0;
  }

  /** `parts` has at least one. */
  push(parts: readonly Outgoing[], onWritten: (() => void) | undefined): void {
    const last = parts.length - 1;
    for (let index = 0; index <= last; index++) {
      const part = parts[index]!;
      this.#entries.push({ part, onWritten: index === last ? onWritten : undefined });
      this.#count(part, sizeOfPart(part));
    }
    this.#run();
  }

  /** The connection is no more: nothing of this will be sent. */
  drop(): void {
    const entries = this.#entries;
    this.#entries = [];
    this.#pendingBytes = 0;
    this.#pendingRegionBytes = 0;
    for (const { onWritten } of entries) onWritten?.();
  }

  /** Sends as much as goes now. */
  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    let turnBytes = TURN_BYTES_MAX;
    while (this.#entries.length > 0) {
      if (this.#socket.destroyed || this.#socket.writableEnded) {
        this.drop();
        break;
      }
      const { part } = this.#entries[0]!;
      if (!isRegion(part)) {
        this.#writeBuffers();
      } else if (turnBytes <= 0) {
        this.#owedCalls += 1;
        setImmediate(this.#goOn);
        break;
      } else {
        const sent = this.#sendSome(part, turnBytes);
        if (sent === 0) break;
        turnBytes -= sent;
      }
    }
    this.#isRunning = false;
  }

  readonly #goOn = (): void => {
    this.#owedCalls -= 1;
    this.#run();
    if (this.isIdle && this.#socket.writableLength === 0) this.#onIdle();
  };

  /** The buffers up to the next region. */
  #writeBuffers(): void {
    const socket = this.#socket;
    socket.cork();
    for (let entry = this.#entries[0]; entry !== undefined; entry = this.#entries[0]) {
      const { part, onWritten } = entry;
      if (isRegion(part)) break;
      this.#entries.shift();
      this.#count(part, -part.length);
      const isLast = this.#entries.length === 0;
      if (isLast) this.#owedCalls += 1;
      socket.write(part, isLast ? this.#afterLast(onWritten) : onWritten);
    }
    socket.uncork();
  }

  #afterLast(onWritten: (() => void) | undefined): () => void {
    if (onWritten === undefined) return this.#goOn;
    return () => {
      onWritten();
      this.#goOn();
    };
  }

  /** Sends of the region at the head; 0: it goes on later. */
  #sendSome(region: FileRegion, bytesMax: number): number {
    const socket = this.#socket;
    if (socket.writableLength > 0) {
      // Behind what is pending, if nobody has promised to tell when that has left.
      if (this.#owedCalls === 0) this.#writePiece(region);
      return 0;
    }
    const descriptor = this.#isDirect ? descriptorOf(socket) : undefined;
    const isDirect = region instanceof RealRegion && descriptor !== undefined;
    const sent = isDirect ? region.sendTo(descriptor, this.#sentBytes, bytesMax) : -1;
    if (sent > 0) this.#sent(region, sent);
    else if (sent === 0) this.#breakOff(new Error('a file ended before what was to be sent'));
    else return this.#writePiece(region);
    return Math.max(sent, 1);
  }

  /** The next bytes through memory. 0: they have not all left at once. */
  #writePiece(region: FileRegion): number {
    const socket = this.#socket;
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES_MAX, region.sizeBytes - this.#sentBytes));
    let count: number;
    try {
      count = region.read(this.#sentBytes, piece);
      if (count === 0) throw new Error('a file ended before what was to be sent');
    } catch (error) {
      this.#breakOff(error as Error);
      return 0;
    }
    this.#owedCalls += 1;
    socket.write(piece.subarray(0, count), this.#goOn);
    this.#sent(region, count);
    return socket.writableLength === 0 ? count : 0;
  }

  #sent(region: FileRegion, count: number): void {
    this.#sentBytes += count;
    this.#count(region, -count);
    if (this.#sentBytes < region.sizeBytes) return;
    this.#sentBytes = 0;
    // Whatever of it was handed to the socket is a copy. Later, as the socket does it, so that all come in order.
    const { onWritten } = this.#entries.shift()!;
    if (onWritten !== undefined) process.nextTick(onWritten);
  }

  #count(part: Outgoing, bytes: number): void {
    this.#pendingBytes += bytes;
    if (isRegion(part)) this.#pendingRegionBytes += bytes;
  }

  /** An answer that has begun cannot be taken back. */
  #breakOff(error: Error): void {
    this.#socket.destroy(error);
    this.drop();
  }
}

/** Undefined: gone, or a later Node has no such handle. */
function descriptorOf(socket: Socket): number | undefined {
  const { fd } = (socket as Socket & { _handle?: { readonly fd?: number } | null })._handle ?? {};
  return fd !== undefined && fd >= 0 ? fd : undefined;
}
