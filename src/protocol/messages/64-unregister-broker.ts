/** UnregisterBroker (key 64). Forgets a broker that will not come back (KIP-631). */
import { int16, int32, message, nullable, string, type Read } from '../schema.ts';

export const UnregisterBrokerRequest = message(
  'UnregisterBrokerRequest',
  { key: 64, versions: '0', flexible: '0+' },
  {
    brokerId: int32,
  },
);
export type UnregisterBrokerRequest = Read<typeof UnregisterBrokerRequest>;

export const UnregisterBrokerResponse = message(
  'UnregisterBrokerResponse',
  { key: 64, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
  },
);
export type UnregisterBrokerResponse = Read<typeof UnregisterBrokerResponse>;
