/** How calls to etcd fail, and what it means for whoever made them. */
import { GrpcCode } from '../../base/grpc.ts';
import type { GrpcStatus } from '../../base/grpc.ts';
import { MetadataStoreError } from '../store-error.ts';

/**
 * `unsent`: nothing was done and nothing will be; another try, elsewhere, may succeed. `unknown`: it may have been done, or
 * may yet be. `token`: nothing was done, the token must be renewed. `refused`: nothing was done, and trying again is of no
 * use. `closed`: the client was closed.
 */
export type FailureKind = 'unsent' | 'unknown' | 'token' | 'refused' | 'closed';

export class EtcdFailure extends Error {
  readonly kind: FailureKind;
  readonly status: GrpcStatus;
  constructor(kind: FailureKind, status: GrpcStatus) {
    super(status.message);
    this.name = 'EtcdFailure';
    this.kind = kind;
    this.status = status;
  }
}

export function failureOf(status: GrpcStatus): EtcdFailure {
  return new EtcdFailure(kindOf(status), status);
}

/**
 * etcd's own errors are told by their texts, as its own client does: several share a code. What came before a change was
 * proposed is `unsent`; everything of which that is not certain is `unknown`.
 */
function kindOf({ code, message, isUnprocessed, isTooLarge }: GrpcStatus): FailureKind {
  if (isUnprocessed === true) return 'unsent';
  if (isTooLarge === true) return 'refused';
  if (isTokenFault(message)) return 'token';
  if (/etcdserver: (no leader|too many requests)/.test(message)) return 'unsent';
  switch (code) {
    case GrpcCode.invalidArgument:
    case GrpcCode.notFound:
    case GrpcCode.permissionDenied:
    case GrpcCode.resourceExhausted:
    case GrpcCode.failedPrecondition:
    case GrpcCode.outOfRange:
    case GrpcCode.unauthenticated:
      return 'refused';
    default:
      return 'unknown';
  }
}

/** The texts also stand in the reasons for which watches are cancelled. */
export function isTokenFault(message: string): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(message);
}

export const isCompacted = (status: GrpcStatus): boolean =>
  /required revision has been compacted/.test(status.message);

/** For transactions and whatever else changes something. */
export function storeErrorOf(error: unknown): MetadataStoreError {
  if (!(error instanceof EtcdFailure)) throw error;
  const { kind, status } = error;
  const options = { cause: error };
  if (/requested lease not found/.test(status.message)) {
    return new MetadataStoreError('sessionNotFound', 'the session has ended', options);
  }
  switch (kind) {
    case 'closed':
      return new MetadataStoreError('closed', 'the metadata store is closed', options);
    case 'unknown':
      return new MetadataStoreError(
        'indeterminate',
        `the outcome at etcd is unknown: ${status.message}`,
        options,
      );
    case 'unsent':
      return new MetadataStoreError('unavailable', `etcd cannot be reached: ${status.message}`, options);
    default:
      return new MetadataStoreError('refused', refusal(status), options);
  }
}

function refusal({ message, code }: GrpcStatus): string {
  if (/database space exceeded/.test(message)) {
    return (
      'etcd has no space left and takes no changes (alarm NOSPACE): compact and defragment it, or raise its ' +
      '--quota-backend-bytes, then disarm the alarm (etcdctl alarm disarm)'
    );
  }
  if (code === GrpcCode.permissionDenied) {
    return 'etcd denies access: grant the user read and write permission on all keys below the key prefix';
  }
  if (/user name is empty/.test(message)) return 'etcd asks for a user and a password: set both';
  if (/authentication failed/.test(message))
    return 'etcd does not accept the user and password: correct them';
  return `etcd refuses: ${message}`;
}
