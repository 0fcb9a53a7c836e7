/**
 * SaslHandshake (key 17). Picks the SASL mechanism of a connection. Clients before 2.4 negotiate it wrongly, so no
 * version can be added (KAFKA-9577).
 *
 *     0    what follows are bare tokens, no requests
 *     1    what follows are SaslAuthenticate requests (KIP-152)
 */
import { array, int16, message, string, type Read } from '../schema.ts';

export const SaslHandshakeRequest = message(
  'SaslHandshakeRequest',
  { key: 17, versions: '0-1', flexible: 'none' },
  {
    mechanism: string,
  },
);
export type SaslHandshakeRequest = Read<typeof SaslHandshakeRequest>;

export const SaslHandshakeResponse = message(
  'SaslHandshakeResponse',
  { key: 17, versions: '0-1', flexible: 'none' },
  {
    errorCode: int16,
    mechanisms: array(string),
  },
);
export type SaslHandshakeResponse = Read<typeof SaslHandshakeResponse>;
