/**
 * SaslAuthenticate (key 36). One step of the SASL exchange (KIP-152).
 *
 *     1    after how long the client has to authenticate again (KIP-368)
 */
import { at, bytes, int16, int64, message, nullable, or, string, type Read } from '../schema.ts';

export const SaslAuthenticateRequest = message(
  'SaslAuthenticateRequest',
  { key: 36, versions: '0-2', flexible: '2+' },
  {
    authBytes: bytes,
  },
);
export type SaslAuthenticateRequest = Read<typeof SaslAuthenticateRequest>;

export const SaslAuthenticateResponse = message(
  'SaslAuthenticateResponse',
  { key: 36, versions: '0-2', flexible: '2+' },
  {
    errorCode: int16,
    errorMessage: nullable(string),
    authBytes: bytes,
    sessionLifetimeMs: at('1+', or(0, int64)),
  },
);
export type SaslAuthenticateResponse = Read<typeof SaslAuthenticateResponse>;
