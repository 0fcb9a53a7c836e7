/** SaslHandshake (key 17): Pick SASL mechanism (v1 => SaslAuthenticate framing). */
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
