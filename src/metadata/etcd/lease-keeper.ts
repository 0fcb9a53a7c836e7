/**
 * Keeps one lease alive, over as many streams as it takes. It runs beside the main loop or in it; `stamp` says up to when
 * the process is known to have been well, in the clock of whoever trusts the lease, and a process that is not well loses it.
 */
import type { Timer, Timers } from '../../base/ports.ts';
import type { EtcdClient, EtcdStream } from './client.ts';
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse, PATHS } from './messages.ts';
import { decode, encode, ProtobufError } from './protobuf.ts';

/** Keep-alives within a lease's time to live, and so the time that an answer may take. */
const KEEP_ALIVES_PER_TTL = 4;
/** Attempts to reach etcd again within a lease's time to live. */
const RETRIES_PER_TTL = 12;

export interface LeaseKeeperOptions {
  readonly client: EtcdClient;
  readonly timers: Timers;
  readonly leaseId: number;
  readonly ttlMs: number;
  /** A moment at which the process was well, asked for right before a keep-alive is sent. Undefined: none is sent. */
  readonly stamp: () => number | undefined;
  /** etcd has answered the keep-alive that was sent with this stamp. */
  readonly onAlive: (stampMs: number) => void;
  /** The lease has ended at etcd. Told once; the keeper has stopped. */
  readonly onGone: () => void;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #stream: EtcdStream | undefined;
  /** The stamp of the keep-alive that waits for its answer. */
  #asked: number | undefined;
  #timer: Timer | undefined;
  #isOver = false;

  /** Begins at once. */
  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#beat();
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#stream?.cancel();
  }

  #beat(): void {
    if (this.#isOver) return;
    const { leaseId, ttlMs, stamp } = this.#options;
    if (this.#asked !== undefined) {
      this.#asked = undefined;
      this.#stream?.suspect();
      this.#stream = undefined;
    }
    this.#asked = stamp();
    if (this.#asked === undefined) {
      this.#next(ttlMs / RETRIES_PER_TTL);
      return;
    }
    this.#stream ??= this.#open();
    this.#stream.send(encode(LeaseKeepAliveRequest, { id: leaseId }));
    this.#next(ttlMs / KEEP_ALIVES_PER_TTL);
  }

  #next(delayMs: number): void {
    const { timers } = this.#options;
    this.#timer?.cancel();
    // One turn more: after a standstill the answer may be waiting to be read.
    this.#timer = timers.after(delayMs, () => timers.soon(() => this.#beat()));
  }

  #open(): EtcdStream {
    const { client, ttlMs } = this.#options;
    const stream = client.stream(PATHS.keepAlive, {
      onMessage: (bytes) => {
        if (this.#stream === stream) this.#answered(bytes);
      },
      onEnd: () => {
        if (this.#stream !== stream || this.#isOver) return;
        this.#stream = undefined;
        this.#asked = undefined;
        this.#next(ttlMs / RETRIES_PER_TTL);
      },
    });
    return stream;
  }

  #answered(bytes: Buffer): void {
    const stampMs = this.#asked;
    if (this.#isOver || stampMs === undefined) return;
    const ttl = ttlOf(bytes);
    // What cannot be read is no answer: the next beat takes another stream.
    if (ttl === undefined) return;
    this.#asked = undefined;
    if (ttl > 0) {
      this.#options.onAlive(stampMs);
      return;
    }
    this.stop();
    this.#options.onGone();
  }
}

function ttlOf(bytes: Buffer): number | undefined {
  try {
    return decode(LeaseKeepAliveResponse, bytes).ttl;
  } catch (error) {
    if (error instanceof ProtobufError) return undefined;
    throw error;
  }
}
