/** The headers of requests and responses. The client id is never compact. */
import { int16, int32, message, nullable, plain, string, type Read } from '../schema.ts';

export const RequestHeader = message(
  'RequestHeader',
  { versions: '1-2', flexible: '2+' },
  {
    requestApiKey: int16,
    requestApiVersion: int16,
    correlationId: int32,
    clientId: nullable(plain(string)),
  },
);
export type RequestHeader = Read<typeof RequestHeader>;

export const ResponseHeader = message(
  'ResponseHeader',
  { versions: '0-1', flexible: '1+' },
  {
    correlationId: int32,
  },
);
export type ResponseHeader = Read<typeof ResponseHeader>;
