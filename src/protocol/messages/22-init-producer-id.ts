/**
 * InitProducerId (key 22). Gives a producer its id and epoch; for a transactional id it also fences older producers
 * and ends what they left open (KIP-98).
 *
 *     3    the producer offers its own id and epoch and has the epoch raised (KIP-360)
 *     4    PRODUCER_FENCED (KIP-588)
 *     5    TRANSACTION_ABORTABLE (KIP-890)
 *     6    two-phase commit (KIP-939): unstable, not offered
 */
import { at, bool, int16, int32, int64, message, nullable, or, string, type Read } from '../schema.ts';

export const InitProducerIdRequest = message(
  'InitProducerIdRequest',
  { key: 22, versions: '0-6', flexible: '2+', latestVersionUnstable: true },
  {
    transactionalId: nullable(string),
    transactionTimeoutMs: int32,
    producerId: at('3+', or(-1, int64)),
    producerEpoch: at('3+', or(-1, int16)),
    enable2Pc: at('6+', or(false, bool)),
    keepPreparedTxn: at('6+', or(false, bool)),
  },
);
export type InitProducerIdRequest = Read<typeof InitProducerIdRequest>;

export const InitProducerIdResponse = message(
  'InitProducerIdResponse',
  { key: 22, versions: '0-6', flexible: '2+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: or(-1, int64),
    producerEpoch: int16,
    ongoingTxnProducerId: at('6+', or(-1, int64)),
    ongoingTxnProducerEpoch: at('6+', or(-1, int16)),
  },
);
export type InitProducerIdResponse = Read<typeof InitProducerIdResponse>;
