/**
 * A client shows who it is on a connection that has just begun (KIP-152): a mechanism is named, then its tokens go to
 * and fro.
 */
import type { Random } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../../protocol/messages/17-sasl-handshake.ts';
import {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../../protocol/messages/36-sasl-authenticate.ts';
import type { ClientConnection } from '../../rpc/client-connection.ts';
import { brokerError } from '../errors.ts';
import type { SaslMechanism } from './sasl.ts';

const HANDSHAKE_VERSION = 1;
/** More tokens than any mechanism takes. */
const STEPS_MAX = 10;

export interface Authentication {
  readonly mechanism: SaslMechanism;
  readonly host: string;
  readonly port: number;
  readonly random: Random;
  /** Of SaslAuthenticate, as the broker offers it. */
  readonly version: number;
  /** For each step. */
  readonly timeoutMs: number;
}

/**
 * Yields after how many ms the broker wants to see it again (KIP-368); 0 for never. Errors: KafkaError, and the
 * connection's.
 */
export async function authenticate(connection: ClientConnection, how: Authentication): Promise<number> {
  const { mechanism, host, port, random, version, timeoutMs } = how;
  const { errorCode, mechanisms } = await connection.request({
    request: SaslHandshakeRequest,
    response: SaslHandshakeResponse,
    version: HANDSHAKE_VERSION,
    body: { mechanism: mechanism.mechanism },
    timeoutMs,
  });
  if (errorCode !== Errors.NONE) {
    const offered = mechanisms.length > 0 ? `, it offers ${mechanisms.join(', ')}` : '';
    throw brokerError(errorCode, `${host} refuses ${mechanism.mechanism}${offered}`);
  }
  const exchange = mechanism.start({ host, port, random });
  let token: Buffer | undefined = await exchange.first();
  let sessionLifetimeMs = 0;
  for (let steps = 0; token !== undefined; steps++) {
    if (steps === STEPS_MAX) throw new Error(`${mechanism.mechanism} does not come to an end`);
    const answer = await connection.request({
      request: SaslAuthenticateRequest,
      response: SaslAuthenticateResponse,
      version,
      body: { authBytes: token },
      timeoutMs,
    });
    if (answer.errorCode !== Errors.NONE) {
      const why = answer.errorMessage ?? 'no reason given';
      throw brokerError(answer.errorCode, `${host} refuses the ${mechanism.mechanism} credentials: ${why}`);
    }
    ({ sessionLifetimeMs } = answer);
    token = await exchange.next(answer.authBytes);
  }
  return sessionLifetimeMs;
}
