/**
 * A connection that costs its own process little: what arrives is read straight into one buffer, where the frame is whole when
 * it is handed over. No stream machinery and no copy on the way in.
 */
import * as net from 'node:net';
import { HOST } from '../servers.ts';

const BUFFER_BYTES = 256 * 1024;
const SIZE_BYTES = 4;

export interface RawConnection {
  write(frame: Buffer): void;
  close(): void;
}

/**
 * `onFrame` gets a frame without its size, valid until it returns. `onEnd` is called once when the connection ends otherwise
 * than by `close`.
 */
export function connectRaw(
  port: number,
  handlers: { onFrame(frame: Buffer): void; onEnd(reason: string): void },
): Promise<RawConnection> {
  let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** Bytes of `buffer` that are there; the first is the size of a frame. */
  let filled = 0;
  let isClosed = false;

  const take = (received: number): void => {
    filled += received;
    let at = 0;
    while (filled - at >= SIZE_BYTES) {
      const end = at + SIZE_BYTES + buffer.readInt32BE(at);
      if (end > filled) break;
      handlers.onFrame(buffer.subarray(at + SIZE_BYTES, end));
      at = end;
    }
    const rest = filled - at;
    const wanted = rest < SIZE_BYTES ? 0 : SIZE_BYTES + buffer.readInt32BE(at);
    if (wanted > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(wanted);
      buffer.copy(larger, 0, at, filled);
      buffer = larger;
    } else if (at > 0) {
      buffer.copyWithin(0, at, filled);
    }
    filled = rest;
  };

  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host: HOST,
      port,
      noDelay: true,
      onread: {
        buffer: () => buffer.subarray(filled),
        callback: (received) => {
          if (!isClosed) take(received);
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('connect', () => {
      const end = (reason: string): void => {
        if (isClosed) return;
        isClosed = true;
        socket.destroy();
        handlers.onEnd(reason);
      };
      socket.removeListener('error', reject);
      socket.on('error', (error) => end(error.message));
      socket.on('close', () => end('the broker closed the connection'));
      resolve({
        write: (frame) => void socket.write(frame),
        close: () => {
          isClosed = true;
          socket.destroy();
        },
      });
    });
  });
}
