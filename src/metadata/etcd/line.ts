/**
 * One connection to one etcd member, with what tells that the member has gone: pings while streams are open, since a
 * watch may rightly be silent for days. Unary calls have time limits of their own.
 */
import { GrpcCode } from '../../base/grpc.ts';
import type { GrpcCall, GrpcCallHandlers, GrpcConnection, GrpcStatus } from '../../base/grpc.ts';
import type { Timer, Timers } from '../../base/ports.ts';

/** Servers break off with clients that ping more often than every 5 s (etcd's --grpc-keepalive-min-time). */
const PING_INTERVAL_MS = 6_000;
const PING_LIMIT_MS = 3_000;
/** An answer that is larger is asked for in smaller parts; a single key is far below it. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

export interface LineOptions {
  readonly connection: GrpcConnection;
  readonly timers: Timers;
  /** For messages. */
  readonly address: string;
  /** No more calls can be made on it. Told once, not after `drop`. */
  readonly onGone: (reason: string) => void;
}

export interface LineCall {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly isStream: boolean;
}

export class Line {
  readonly address: string;
  readonly #options: LineOptions;
  #calls = 0;
  /** What ends each of the streams. */
  readonly #streams = new Set<(status: GrpcStatus) => void>();
  #isGone = false;
  #ping: Timer | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    this.address = options.address;
    options.connection.onClose = (error) =>
      this.#goneBy(error?.message ?? 'the server closed the connection');
  }

  call(options: LineCall, handlers: GrpcCallHandlers): GrpcCall {
    const { path, metadata, isStream } = options;
    let isOver = false;
    const leave = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#calls -= 1;
      this.#streams.delete(breakOff);
      this.#tidy();
      return true;
    };
    const breakOff = (status: GrpcStatus): void => {
      call.cancel();
      if (leave()) handlers.onEnd(this.#named(status));
    };
    const call = this.#options.connection.call(
      { path, metadata, messageBytesMax: MESSAGE_BYTES_MAX },
      {
        onMessage: (message) => handlers.onMessage(message),
        onEnd: (status) => {
          if (leave()) handlers.onEnd(this.#named(status));
        },
      },
    );
    this.#calls += 1;
    if (isStream) this.#streams.add(breakOff);
    this.#tidy();
    return {
      send: (message) => call.send(message),
      finish: () => call.finish(),
      cancel: () => {
        call.cancel();
        leave();
      },
    };
  }

  /** Ends it now, with all calls on it. */
  drop(): void {
    this.#isGone = true;
    this.#ping?.cancel();
    this.#options.connection.destroy();
  }

  /** Takes no more calls; those under way go on, and the last one closes it. Streams have no end: they are broken off. */
  retire(reason: string): void {
    this.#isGone = true;
    for (const breakOff of this.#streams) breakOff({ code: GrpcCode.unavailable, message: reason });
    this.#tidy();
  }

  #goneBy(reason: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#options.onGone(reason);
    this.retire(reason);
  }

  #tidy(): void {
    if (this.#streams.size === 0 || this.#isGone) {
      this.#ping?.cancel();
      this.#ping = undefined;
    } else {
      this.#ping ??= this.#pingLater();
    }
    if (this.#isGone && this.#calls === 0) this.#options.connection.destroy();
  }

  #pingLater(): Timer {
    const { timers, connection } = this.#options;
    return timers.after(PING_INTERVAL_MS, () => {
      this.#ping = timers.after(PING_LIMIT_MS, () => {
        // One turn more: this process may have stood still, with the answer waiting to be read.
        timers.soon(() => {
          if (!isAnswered) this.#silent();
        });
      });
      const limit = this.#ping;
      let isAnswered = false;
      connection.ping(() => {
        isAnswered = true;
        limit.cancel();
        if (this.#ping !== limit) return;
        this.#ping = undefined;
        this.#tidy();
      });
    });
  }

  #silent(): void {
    if (this.#isGone) return;
    this.#goneBy('the server does not answer');
    this.drop();
  }

  #named(status: GrpcStatus): GrpcStatus {
    if (status.code !== GrpcCode.unavailable) return status;
    return { ...status, message: `${this.address}: ${status.message}` };
  }
}
