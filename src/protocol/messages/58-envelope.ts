/**
 * Envelope (key 58). A broker forwards a client's request to the controller with the client's principal (KIP-590).
 */
import { bytes, int16, message, nullable, orNull, type Read } from '../schema.ts';

export const EnvelopeRequest = message(
  'EnvelopeRequest',
  { key: 58, versions: '0', flexible: '0+' },
  {
    requestData: bytes,
    requestPrincipal: nullable(bytes),
    clientHostAddress: bytes,
  },
);
export type EnvelopeRequest = Read<typeof EnvelopeRequest>;

export const EnvelopeResponse = message(
  'EnvelopeResponse',
  { key: 58, versions: '0', flexible: '0+' },
  {
    responseData: orNull(bytes),
    errorCode: int16,
  },
);
export type EnvelopeResponse = Read<typeof EnvelopeResponse>;
