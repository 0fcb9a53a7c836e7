/** AllocateProducerIds (key 67). A broker draws a block of producer ids from the controller (KIP-730). */
import { int16, int32, int64, message, or, type Read } from '../schema.ts';

export const AllocateProducerIdsRequest = message(
  'AllocateProducerIdsRequest',
  { key: 67, versions: '0', flexible: '0+' },
  {
    brokerId: int32,
    brokerEpoch: or(-1, int64),
  },
);
export type AllocateProducerIdsRequest = Read<typeof AllocateProducerIdsRequest>;

export const AllocateProducerIdsResponse = message(
  'AllocateProducerIdsResponse',
  { key: 67, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    producerIdStart: int64,
    producerIdLen: int32,
  },
);
export type AllocateProducerIdsResponse = Read<typeof AllocateProducerIdsResponse>;
