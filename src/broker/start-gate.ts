/** Holds requests back until the broker is ready to serve them: its ports are known to the cluster a moment before. */
import type { Answer, Peer, RequestSink } from '../rpc/server-connection.ts';

export class StartGate<S> implements RequestSink<S> {
  #sink: RequestSink<S> | undefined;
  readonly #opened = Promise.withResolvers<RequestSink<S>>();

  open(sink: RequestSink<S>): void {
    this.#sink = sink;
    this.#opened.resolve(sink);
  }

  handle(frame: Buffer, peer: Peer<S>): Answer | Promise<Answer> {
    const sink = this.#sink;
    if (sink !== undefined) return sink.handle(frame, peer);
    return this.#opened.promise.then((ready) => ready.handle(frame, peer));
  }

  mayOverlap(frame: Buffer): boolean {
    return this.#sink?.mayOverlap(frame) ?? false;
  }

  isRecyclable(frame: Buffer): boolean {
    return this.#sink?.isRecyclable(frame) ?? false;
  }
}
