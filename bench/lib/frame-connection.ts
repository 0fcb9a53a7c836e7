/**
 * A connection that hands over whole response frames, with as little work as Node allows: all connections of a process read
 * into one buffer, which works because a read is handed over before the next one begins (POSIX only), and a frame that lies
 * in it whole is not copied. The rest of a frame that is larger is read to where it belongs.
 */
import * as net from 'node:net';
import { HOST } from './servers.ts';

const READ_BUFFER_BYTES = 256 * 1024;
/** Less of a frame is read together with what follows it, and copied. */
const HELD_READ_BYTES_MIN = READ_BUFFER_BYTES;
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** `frame` is without its size and a view: it is valid during the call. */
export type OnFrame = (frame: Buffer) => void;

export class FrameConnection {
  onFrame: OnFrame = () => {};
  /** Called once, when the connection ends without `close`. */
  onLost: (reason: string) => void = () => {};
  #socket!: net.Socket;
  /** The beginning of a frame whose rest has not come: the first `#heldBytes` of `#held`, which has room for all of it. */
  #held: Buffer = Buffer.allocUnsafeSlow(4096);
  #heldBytes = 0;
  /** The next bytes come straight to their place in `#held`. */
  #isHeldRead = false;
  #isClosed = false;

  private constructor() {}

  static connect(port: number): Promise<FrameConnection> {
    return new Promise((resolve, reject) => {
      const connection = new FrameConnection();
      const onread = {
        buffer: () => connection.#room(),
        callback: (bytes: number) => {
          connection.#read(bytes);
          return true;
        },
      };
      const socket = net.connect({ host: HOST, port, noDelay: true, onread });
      connection.#socket = socket;
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        let reason = 'the broker closed the connection';
        socket.on('error', (error) => (reason = error.message));
        socket.on('close', () => {
          if (!connection.#isClosed) connection.onLost(reason);
        });
        resolve(connection);
      });
    });
  }

  /** The bytes must stay as they are until `onSent`. */
  write(bytes: Buffer, onSent?: () => void): void {
    this.#socket.write(bytes, onSent);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
  }

  /** Where the next bytes are read to. */
  #room(): Buffer {
    const left = this.#heldBytes < 4 ? 0 : 4 + this.#held.readInt32BE(0) - this.#heldBytes;
    this.#isHeldRead = left >= HELD_READ_BYTES_MIN;
    return this.#isHeldRead ? this.#held.subarray(this.#heldBytes, this.#heldBytes + left) : readBuffer;
  }

  #read(bytes: number): void {
    if (!this.#isHeldRead) return this.#take(readBuffer.subarray(0, bytes));
    this.#heldBytes += bytes;
    this.#handOverHeld();
  }

  #take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#heldBytes === 0 && chunk.length - at >= 4) {
        const end = at + 4 + chunk.readInt32BE(at);
        if (end <= chunk.length) {
          this.onFrame(chunk.subarray(at + 4, end));
          at = end;
          continue;
        }
      }
      at += this.#hold(chunk, at);
    }
  }

  /** Takes bytes of a frame that comes in parts, and hands it over when it is whole; how many it took. */
  #hold(chunk: Buffer, at: number): number {
    const isSizeKnown = this.#heldBytes >= 4;
    const wanted = isSizeKnown ? 4 + this.#held.readInt32BE(0) : 4;
    const taken = Math.min(wanted - this.#heldBytes, chunk.length - at);
    chunk.copy(this.#held, this.#heldBytes, at, at + taken);
    this.#heldBytes += taken;
    if (this.#heldBytes >= 4) this.#handOverHeld();
    return taken;
  }

  /** When it is whole; else there is room for all of it from now on. */
  #handOverHeld(): void {
    const sizeBytes = 4 + this.#held.readInt32BE(0);
    if (this.#heldBytes === sizeBytes) {
      this.#heldBytes = 0;
      this.onFrame(this.#held.subarray(4, sizeBytes));
    } else if (this.#held.length < sizeBytes) {
      const larger = Buffer.allocUnsafeSlow(Math.max(sizeBytes, 2 * this.#held.length));
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
  }
}

/** A few at a time, because a broker's queue of new connections is short. */
const CONNECTING_MAX = 20;

export async function connectMany(port: number, count: number): Promise<FrameConnection[]> {
  const connections: FrameConnection[] = [];
  while (connections.length < count) {
    const more = Math.min(CONNECTING_MAX, count - connections.length);
    connections.push(
      ...(await Promise.all(Array.from({ length: more }, () => FrameConnection.connect(port)))),
    );
  }
  return connections;
}
