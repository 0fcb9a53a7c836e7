/**
 * A connection from this broker to another as it begins: both show who they are, and the other says which versions it
 * knows. It is asked as a broker, so the answer names the APIs that are for brokers alone too.
 */
import { TlsError, type ClientTls, type Network, type Random, type Timers } from '../base/ports.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import { apiOf } from '../protocol/apis.ts';
import { errorName, Errors } from '../protocol/errors.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../protocol/messages/17-sasl-handshake.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../protocol/messages/36-sasl-authenticate.ts';
import type { Message } from '../protocol/schema.ts';
import { ClientConnection, type ClientConnectionError } from '../rpc/client-connection.ts';
import {
  answerChallenge,
  BROKER_MECHANISM,
  BROKER_NONCE_BYTES,
  brokerHello,
  type BrokerClaim,
} from '../security/broker-identity.ts';

/** The versions with which every broker begins: which others there are is not known yet. */
const HANDSHAKE_VERSION = 1;
const AUTHENTICATE_VERSION = 2;

export interface PeerConnection {
  readonly connection: ClientConnection;
  /** The other broker's version ranges, by API key. */
  readonly versions: ReadonlyMap<number, { readonly minVersion: number; readonly maxVersion: number }>;
}

export interface PeerConnectionOptions {
  readonly ports: { readonly network: Network; readonly timers: Timers; readonly random: Random };
  readonly host: string;
  readonly port: number;
  readonly tls?: ClientTls | undefined;
  readonly claim: BrokerClaim;
  readonly clusterId: string;
  readonly secret: Buffer;
  /** For all of it. */
  readonly timeoutMs: number;
  /** For answers that are lent. */
  readonly slabs?: SlabPool | undefined;
  readonly onGone: (error: ClientConnectionError | undefined) => void;
}

/** Rejects with an Error that says what failed; nothing is left open then. */
export async function connectToPeer(options: PeerConnectionOptions): Promise<PeerConnection> {
  const { ports, timeoutMs, claim } = options;
  const connection = await open(options);
  // One limit for all the steps: each has a time-out of its own as well, and the sum of them could be long.
  const limit = ports.timers.after(timeoutMs, () => connection.destroy());
  try {
    await authenticate(connection, options);
    const { errorCode, apiKeys } = await ask(connection, timeoutMs, {
      request: ApiVersionsRequest,
      response: ApiVersionsResponse,
      version: apiOf(ApiVersionsRequest.key)!.versionMax,
      body: {
        clientSoftwareName: 'headrace-broker',
        clientSoftwareVersion: '1',
        clusterId: options.clusterId,
        nodeId: claim.toNodeId,
      },
    });
    // A broker of an earlier release answers in version 0, with all that is needed.
    if (errorCode !== Errors.NONE && errorCode !== Errors.UNSUPPORTED_VERSION) {
      throw new Error(`it answers ApiVersions with ${errorName(errorCode)}`);
    }
    return { connection, versions: new Map(apiKeys.map((range) => [range.apiKey, range])) };
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    limit.cancel();
  }
}

/** Connects, and gives up after the time: a network may keep trying for long. */
function open(options: PeerConnectionOptions): Promise<ClientConnection> {
  const { ports, host, port, tls, timeoutMs, claim, onGone, slabs } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ClientConnection>();
  let isLate = false;
  const limit = ports.timers.after(timeoutMs, () => {
    isLate = true;
    reject(new Error(`no connection to ${host}:${port} within ${timeoutMs} ms`));
  });
  ports.network.connect(host, port, tls).then(
    (connection) => {
      limit.cancel();
      const clientId = `broker-${claim.nodeId}`;
      const made = new ClientConnection({ connection, timers: ports.timers, clientId, onGone, slabs });
      if (isLate) made.destroy();
      else resolve(made);
    },
    (error: unknown) => {
      limit.cancel();
      const why = error instanceof TlsError ? `: ${error.message}` : '';
      reject(new Error(`no connection to ${host}:${port}${why}`, { cause: error }));
    },
  );
  return promise;
}

async function authenticate(connection: ClientConnection, options: PeerConnectionOptions): Promise<void> {
  const { timeoutMs, secret } = options;
  const { errorCode } = await ask(connection, timeoutMs, {
    request: SaslHandshakeRequest,
    response: SaslHandshakeResponse,
    version: HANDSHAKE_VERSION,
    body: { mechanism: BROKER_MECHANISM },
  });
  if (errorCode !== Errors.NONE) throw new Error(`it does not authenticate brokers: ${errorName(errorCode)}`);
  const step = async (authBytes: Buffer): Promise<Buffer> => {
    const answer = await ask(connection, timeoutMs, {
      request: SaslAuthenticateRequest,
      response: SaslAuthenticateResponse,
      version: AUTHENTICATE_VERSION,
      body: { authBytes },
    });
    if (answer.errorCode !== Errors.NONE)
      throw new Error(`it refuses this broker: ${errorName(answer.errorCode)}`);
    return answer.authBytes;
  };
  const hello = brokerHello(options.claim, options.ports.random.bytes(BROKER_NONCE_BYTES));
  const proof = answerChallenge(secret, hello, await step(hello));
  if (proof === undefined) throw new Error('it does not know the secret of this cluster');
  await step(proof);
}

function ask<W, R>(
  connection: ClientConnection,
  timeoutMs: number,
  question: {
    readonly request: Message<unknown, W>;
    readonly response: Message<R, unknown>;
    readonly version: number;
    readonly body: NoInfer<W>;
  },
): Promise<R> {
  return connection.request({ ...question, timeoutMs });
}
