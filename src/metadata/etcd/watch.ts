/**
 * One watch on etcd, over as many streams as it takes. It goes on from the revision after the last one that it delivered
 * whole: the header of an answer may be ahead of the events that are still to come, so it says nothing about where to go
 * on. Events that were delivered already, or lie before the beginning, are dropped: a cluster may send them again.
 */
import { GrpcCode } from '../../base/grpc.ts';
import type { Timer, Timers, Watch, WatchEvent, Watcher } from '../../base/ports.ts';
import { MetadataStoreError } from '../store-error.ts';
import type { EtcdClient, EtcdStream } from './client.ts';
import { failureOf, isTokenFault, storeErrorOf } from './failure.ts';
import type { EtcdFailure } from './failure.ts';
import { prefixRange } from './key-range.ts';
import { EVENT_DELETE, PATHS, WatchRequest, WatchResponse } from './messages.ts';
import { decode, encode, ProtobufError } from './protobuf.ts';
import type { Decoded } from './protobuf.ts';

/** Until etcd says that the watch is there. */
const CREATE_LIMIT_MS = 5_000;

export interface EtcdWatchOptions {
  readonly client: EtcdClient;
  readonly timers: Timers;
  /** The cluster's; what is told has it no more. */
  readonly keyPrefix: string;
  readonly prefix: string;
  readonly fromRevision: number;
  readonly watcher: Watcher;
  /** It was cancelled or lost. */
  readonly onEnd: () => void;
}

type Answer = Decoded<typeof WatchResponse>;

export class EtcdWatch implements Watch {
  readonly #options: EtcdWatchOptions;
  /** Everything below it has been delivered. */
  #nextRevision: number;
  /** Of the revision that may not be whole yet. */
  #pending: WatchEvent[] = [];
  #stream: EtcdStream | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  #tokenFaults = 0;
  #isOver = false;

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
    this.#nextRevision = Math.max(1, options.fromRevision);
    this.#open();
  }

  get deliveredRevision(): number {
    return this.#nextRevision - 1;
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#stream?.cancel();
    this.#options.onEnd();
  }

  #open(): void {
    const { client, keyPrefix, prefix, timers } = this.#options;
    this.#pending = [];
    const create = {
      ...prefixRange(keyPrefix + prefix),
      startRevision: this.#nextRevision,
      fragment: true,
    };
    const stream = client.stream(PATHS.watch, {
      onMessage: (bytes) => this.#arrived(bytes),
      onEnd: (failure) => this.#failed(failure),
    });
    this.#stream = stream;
    this.#timer = timers.after(CREATE_LIMIT_MS, () => {
      timers.soon(() => {
        if (this.#stream !== stream || this.#timer === undefined || this.#isOver) return;
        stream.suspect();
        this.#again();
      });
    });
    stream.send(encode(WatchRequest, { create }));
  }

  #arrived(bytes: Buffer): void {
    let answer: Answer;
    try {
      answer = decode(WatchResponse, bytes);
    } catch (error) {
      if (!(error instanceof ProtobufError)) throw error;
      this.#stream?.suspect();
      this.#again();
      return;
    }
    if (answer.canceled) {
      this.#cancelled(answer);
      return;
    }
    if (answer.created) {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#failures = 0;
    }
    this.#take(answer);
  }

  #take({ events, fragment }: Answer): void {
    for (const { type, kv } of events) {
      if (this.#isOver) return;
      if (kv === undefined || kv.modRevision < this.#nextRevision) continue;
      // Revisions come in order: what is pending is whole once there is a later one.
      if (this.#pending.length > 0 && kv.modRevision !== this.#pending[0]!.modRevision) this.#deliver();
      this.#pending.push({
        key: kv.key.toString().slice(this.#options.keyPrefix.length),
        value: type === EVENT_DELETE ? undefined : Buffer.from(kv.value),
        createRevision: kv.createRevision,
        modRevision: kv.modRevision,
      });
    }
    if (!fragment) this.#deliver();
  }

  #deliver(): void {
    const events = this.#pending;
    if (events.length === 0 || this.#isOver) return;
    this.#pending = [];
    const revision = events[0]!.modRevision;
    this.#tokenFaults = 0;
    this.#nextRevision = revision + 1;
    // The prefix itself is no key: a put on it only tells that this revision has come (catch-up.ts).
    this.#options.watcher.onEvents(
      revision,
      events.filter((event) => event.key !== ''),
    );
  }

  #cancelled({ compactRevision, cancelReason }: Answer): void {
    this.#stream?.cancel();
    if (compactRevision > 0 || /required revision has been compacted/.test(cancelReason)) {
      const message = `events from revision ${this.#nextRevision} on are gone: etcd was compacted at ${compactRevision}`;
      this.#lose(new MetadataStoreError('compacted', message));
      return;
    }
    const code = /permission denied/.test(cancelReason)
      ? GrpcCode.permissionDenied
      : isTokenFault(cancelReason)
        ? GrpcCode.unauthenticated
        : GrpcCode.unavailable;
    this.#failed(this.#options.client.judged(failureOf({ code, message: cancelReason })));
  }

  #failed(failure: EtcdFailure): void {
    if (failure.kind === 'token') {
      this.#options.client.renewToken();
      this.#tokenFaults += 1;
    }
    if (failure.kind === 'refused' || this.#tokenFaults > 2) this.#lose(storeErrorOf(failure));
    else this.#again();
  }

  #again(): void {
    if (this.#isOver) return;
    const { client, timers } = this.#options;
    this.#timer?.cancel();
    this.#timer = timers.after(client.backoffMs(this.#failures++), () => this.#open());
  }

  #lose(error: Error): void {
    if (this.#isOver) return;
    this.cancel();
    this.#options.watcher.onLost(error);
  }
}
