/** A connection on which requests are bytes and answers may be absent: the broker may close it, and is expected to. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { apiOf } from '../../src/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/frame.ts';
import { complete } from '../broker-bench.ts';

/** What stands in the answer's place when the broker closed the connection. */
export const CLOSED = 'the connection was closed';
/** So that what hangs is a failed comparison and no hanging test. */
const ANSWER_MS_MAX = 4_000;

export interface Request {
  readonly key: number;
  readonly version: number;
  readonly body: object;
  readonly clientId?: string | null;
}

export class RawConnection {
  readonly #socket: Socket;
  readonly #waiting: ((answer: Buffer | typeof CLOSED) => void)[] = [];
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      for (const waiting of this.#waiting.splice(0)) waiting(CLOSED);
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.setNoDelay(true);
    return new RawConnection(socket);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The decoded answer. Requests may be on their way together: answers come in their order. */
  async ask({ key, version, body, clientId = 'conformance' }: Request): Promise<unknown> {
    const api = apiOf(key)!;
    const frame = await this.exchange(request(key, version, body, clientId));
    return frame === CLOSED ? CLOSED : decodeResponse(api, version, frame).body;
  }

  /** Sends what has no answer. */
  tell({ key, version, body, clientId = 'conformance' }: Request): void {
    this.#socket.write(request(key, version, body, clientId));
  }

  /** Sends these bytes, and resolves with the next frame (without its size). */
  exchange(bytes: Buffer): Promise<Buffer | typeof CLOSED> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return resolve(CLOSED);
      const giveUp = setTimeout(() => {
        reject(new Error('no answer'));
        this.close();
      }, ANSWER_MS_MAX);
      this.#waiting.push((answer) => {
        clearTimeout(giveUp);
        resolve(answer);
      });
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4 && this.#received.length >= 4 + this.#received.readInt32BE(0)) {
      const end = 4 + this.#received.readInt32BE(0);
      const frame = this.#received.subarray(4, end);
      this.#received = this.#received.subarray(end);
      this.#waiting.shift()?.(frame);
    }
  }
}

/** A whole request with its size; fields that the body leaves out have their defaults. */
export function request(key: number, version: number, body: object, clientId: string | null): Buffer {
  const api = apiOf(key)!;
  const whole = complete(api.request, body);
  return Buffer.concat(encodeRequest(api, { version, correlationId: 7, clientId, body: whole }));
}
