/**
 * An administrator's questions about delegation tokens (KIP-48): a token lets somebody act as its owner, by SCRAM with the
 * token's id and its HMAC in base64, until it expires. Kafka asks for an authenticated connection, and for none that shows a
 * token.
 */
import {
  CreateDelegationTokenRequest,
  CreateDelegationTokenResponse,
} from '../../protocol/messages/38-create-delegation-token.ts';
import {
  RenewDelegationTokenRequest,
  RenewDelegationTokenResponse,
} from '../../protocol/messages/39-renew-delegation-token.ts';
import {
  ExpireDelegationTokenRequest,
  ExpireDelegationTokenResponse,
} from '../../protocol/messages/40-expire-delegation-token.ts';
import {
  DescribeDelegationTokenRequest,
  DescribeDelegationTokenResponse,
} from '../../protocol/messages/41-describe-delegation-token.ts';
import { ownError } from '../errors.ts';
import { wholeFault } from './cluster.ts';
import type { AskOptions, Routes } from './routes.ts';

export interface DelegationToken {
  readonly tokenId: string;
  /** The secret: who has it is believed to be the owner. */
  readonly hmac: Buffer;
  /** As `User:ada`. */
  readonly owner: string;
  /** Who asked for it; empty from brokers before Kafka 3.3. */
  readonly requester: string;
  /** ms since the epoch. */
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** No renewal moves `expiresMs` behind it. */
  readonly expiresMsMax: number;
  /** Who may renew it, besides its owner. */
  readonly renewers: readonly string[];
}

/** The broker's own limit, or period. */
const BROKERS_CHOICE = -1;
/** From here on tokens may be for others (KIP-373). */
const OWNER_VERSION = 3;

/** Errors: DELEGATION_TOKEN_AUTH_DISABLED, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, INVALID_PRINCIPAL_TYPE. */
export async function createDelegationToken(
  routes: Routes,
  options: AskOptions & {
    /** Default: who asks. */
    readonly owner?: string;
    readonly renewers?: readonly string[];
    /** Default: the broker's limit. */
    readonly lifetimeMsMax?: number;
  } = {},
): Promise<DelegationToken> {
  const { owner, renewers = [], lifetimeMsMax = BROKERS_CHOICE } = options;
  const whom = owner === undefined ? undefined : principal(owner);
  const answer = await routes.controller(
    {
      request: CreateDelegationTokenRequest,
      response: CreateDelegationTokenResponse,
      body: (version) => {
        if (whom !== undefined && version < OWNER_VERSION) {
          throw ownError('UNSUPPORTED_API', 'the broker is too old to issue tokens for others');
        }
        return {
          ownerPrincipalType: whom?.principalType ?? null,
          ownerPrincipalName: whom?.principalName ?? null,
          renewers: renewers.map(principal),
          maxLifetimeMs: lifetimeMsMax,
        };
      },
    },
    (one) => wholeFault(one, 'creating a delegation token'),
    options,
  );
  return {
    tokenId: answer.tokenId,
    hmac: Buffer.from(answer.hmac),
    owner: `${answer.principalType}:${answer.principalName}`,
    requester: requesterOf(answer),
    issuedMs: answer.issueTimestampMs,
    expiresMs: answer.expiryTimestampMs,
    expiresMsMax: answer.maxTimestampMs,
    renewers,
  };
}

/** Yields when it expires now (ms since the epoch). Errors: DELEGATION_TOKEN_NOT_FOUND, DELEGATION_TOKEN_OWNER_MISMATCH. */
export async function renewDelegationToken(
  routes: Routes,
  token: Pick<DelegationToken, 'hmac'>,
  options: AskOptions & {
    /** From now on. Default: the broker's setting. */
    readonly periodMs?: number;
  } = {},
): Promise<number> {
  const { periodMs: renewPeriodMs = BROKERS_CHOICE } = options;
  const { expiryTimestampMs } = await routes.controller(
    {
      request: RenewDelegationTokenRequest,
      response: RenewDelegationTokenResponse,
      body: () => ({ hmac: token.hmac, renewPeriodMs }),
    },
    (one) => wholeFault(one, 'renewing a delegation token'),
    options,
  );
  return expiryTimestampMs;
}

/** Yields when it expires (ms since the epoch). Errors: as `renewDelegationToken`. */
export async function expireDelegationToken(
  routes: Routes,
  token: Pick<DelegationToken, 'hmac'>,
  options: AskOptions & {
    /** From now on. Default: at once. */
    readonly periodMs?: number;
  } = {},
): Promise<number> {
  const { periodMs: expiryTimePeriodMs = -1 } = options;
  const { expiryTimestampMs } = await routes.controller(
    {
      request: ExpireDelegationTokenRequest,
      response: ExpireDelegationTokenResponse,
      body: () => ({ hmac: token.hmac, expiryTimePeriodMs }),
    },
    (one) => wholeFault(one, 'expiring a delegation token'),
    options,
  );
  return expiryTimestampMs;
}

/** Those of these owners, or all, as far as the one who asks may see them. */
export async function describeDelegationTokens(
  routes: Routes,
  options: AskOptions & { readonly owners?: readonly string[] } = {},
): Promise<DelegationToken[]> {
  const owners = options.owners?.map(principal) ?? null;
  const { tokens } = await routes.any(
    {
      request: DescribeDelegationTokenRequest,
      response: DescribeDelegationTokenResponse,
      body: () => ({ owners }),
    },
    (one) => wholeFault(one, 'describing delegation tokens'),
    options,
  );
  return tokens.map((one) => ({
    tokenId: one.tokenId,
    hmac: Buffer.from(one.hmac),
    owner: `${one.principalType}:${one.principalName}`,
    requester: requesterOf(one),
    issuedMs: one.issueTimestamp,
    expiresMs: one.expiryTimestamp,
    expiresMsMax: one.maxTimestamp,
    renewers: one.renewers.map(({ principalType, principalName }) => `${principalType}:${principalName}`),
  }));
}

function requesterOf(answer: {
  readonly tokenRequesterPrincipalType: string;
  readonly tokenRequesterPrincipalName: string;
}): string {
  const { tokenRequesterPrincipalType: type, tokenRequesterPrincipalName: name } = answer;
  return type === '' ? '' : `${type}:${name}`;
}

/** Throws INVALID_ARGUMENT unless the text is `Type:name`. */
function principal(text: string): { readonly principalType: string; readonly principalName: string } {
  const at = text.indexOf(':');
  if (at < 1) throw ownError('INVALID_ARGUMENT', `${text} is no principal such as User:ada`);
  return { principalType: text.slice(0, at), principalName: text.slice(at + 1) };
}
