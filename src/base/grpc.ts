/**
 * The port for gRPC, of which Headrace needs little: connections to one server, and calls on them that carry messages as
 * bytes in both directions. What the messages mean, time limits and which server to take are the caller's matter.
 */

export interface GrpcTarget {
  readonly host: string;
  readonly port: number;
  /** Undefined: in the clear. */
  readonly tls?: GrpcTls | undefined;
}

/** All are PEM texts; the system's authorities count when `ca` is missing. */
export interface GrpcTls {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

/** gRPC's numbers for the states that matter here; a server may send any of 0 to 16. */
export const GrpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** How a call ended. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** The server has not begun with the call and never will: it may be made again without doing anything twice. */
  readonly isUnprocessed?: boolean;
  /** An answer was larger than the limit; nothing of it was kept. */
  readonly isTooLarge?: boolean;
}

export interface GrpcCallHandlers {
  /** One whole message. It belongs to the receiver. */
  onMessage(message: Buffer): void;
  /** Called once, whatever the reason; not after `cancel`, and nothing is called after it. */
  onEnd(status: GrpcStatus): void;
}

export interface GrpcCallOptions {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
  /** An answer larger than this ends the call before room is made for it. */
  readonly messageBytesMax: number;
}

export interface GrpcCall {
  /** The message must stay unchanged until the call has ended. */
  send(message: Uint8Array): void;
  /** Nothing more will be sent. */
  finish(): void;
  /** Forgets the call; the server is told. */
  cancel(): void;
}

export interface GrpcConnection {
  /** Called once when no more calls can be made, not after `destroy`. Calls under way tell their own end before. */
  onClose: (error: Error | undefined) => void;
  /** Handlers are called later, never within this call. */
  call(options: GrpcCallOptions, handlers: GrpcCallHandlers): GrpcCall;
  /** Asks whether the server is still there; `onAnswer` is called if it says so. */
  ping(onAnswer: () => void): void;
  /** Ends it now. Calls under way end with `unavailable`. */
  destroy(): void;
}

export interface GrpcTransport {
  /** Rejects when there is no server; may take for ever: the caller has a time limit, and aborts by `signal`. */
  connect(target: GrpcTarget, signal: AbortSignal): Promise<GrpcConnection>;
}
