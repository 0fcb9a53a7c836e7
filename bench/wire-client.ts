/**
 * A client with nothing in it: one connection, one request at a time, bodies in and out as the schemas say. For
 * measurements, where a real client's own start and batching would hide the broker's.
 */
import * as net from 'node:net';
import { apiOf } from '../src/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../src/protocol/frame.ts';
import type { Message } from '../src/protocol/schema.ts';

export class WireClient {
  readonly #socket: net.Socket;
  #received: Buffer = Buffer.alloc(0);
  #correlationId = 0;
  #waiting: ((frame: Buffer) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => this.#failed?.(new Error('the broker closed the connection')));
    socket.on('error', () => socket.destroy());
  }

  static connect(host: string, port: number): Promise<WireClient> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host, port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new WireClient(socket));
      });
    });
  }

  /** Sends a request and waits for its response. */
  async call<QR, Q, R>(
    request: Message<QR, Q>,
    _response: Message<R, unknown>,
    options: { readonly version: number; readonly body: Q },
  ): Promise<R> {
    const api = apiOf(request.key)!;
    const correlationId = ++this.#correlationId;
    const frame = await new Promise<Buffer>((resolve, reject) => {
      this.#waiting = resolve;
      this.#failed = reject;
      const views = encodeRequest(api, { ...options, correlationId, clientId: 'headrace-bench' });
      this.#socket.write(Buffer.concat(views));
    });
    return decodeResponse(api, options.version, frame).body as R;
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    if (this.#received.length < 4) return;
    const end = 4 + this.#received.readInt32BE(0);
    if (this.#received.length < end) return;
    const frame = this.#received.subarray(4, end);
    this.#received = this.#received.subarray(end);
    this.#waiting?.(frame);
  }
}
