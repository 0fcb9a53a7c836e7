/** The other brokers of the cluster, as those who send them requests see them. */
import type { Message } from '../protocol/schema.ts';

/**
 * The request has no answer: the broker is not there, is fenced, does not let us in, or did not answer in time. Whether the
 * request was carried out is not known, unless `wasSent` is false.
 */
export class PeerUnavailable extends Error {
  readonly nodeId: number;
  readonly wasSent: boolean;
  constructor(nodeId: number, message: string, options: ErrorOptions & { readonly wasSent: boolean }) {
    super(`broker ${nodeId}: ${message}`, options);
    this.name = 'PeerUnavailable';
    this.nodeId = nodeId;
    this.wasSent = options.wasSent;
  }
}

export interface PeerRequest<W, R> {
  readonly request: Message<unknown, W>;
  readonly response: Message<R, unknown>;
  readonly body: NoInfer<W>;
  /** Left out: the newest that both brokers know. */
  readonly version?: number;
  /** For everything: the connection, if there is none, and the answer. */
  readonly timeoutMs: number;
  /**
   * Requests of one lane share a connection and are answered in their order; a lane of its own keeps a request that may
   * take long from holding up others.
   */
  readonly lane?: string;
  /**
   * Called with the answer, before the request resolves with it. Its bytes are lent until this returns: for answers that are
   * large and of no use afterwards. What it throws the request is rejected with.
   */
  readonly onAnswer?: (answer: R) => void;
}

export interface Peers {
  /** Sends a request to a broker of the cluster. Rejects with PeerUnavailable. */
  request<W, R>(nodeId: number, request: PeerRequest<W, R>): Promise<R>;
}
