/**
 * EndTxn (key 26). Commits or aborts a transaction.
 *
 *     2    PRODUCER_FENCED (KIP-588)
 *     4    TRANSACTION_ABORTABLE (KIP-890)
 *     5    each transaction ends with a raised epoch, which is answered (KIP-890 part 2)
 */
import { at, bool, int16, int32, int64, message, or, string, type Read } from '../schema.ts';

export const EndTxnRequest = message(
  'EndTxnRequest',
  { key: 26, versions: '0-5', flexible: '3+' },
  {
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    committed: bool,
  },
);
export type EndTxnRequest = Read<typeof EndTxnRequest>;

export const EndTxnResponse = message(
  'EndTxnResponse',
  { key: 26, versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    producerId: at('5+', or(-1, int64)),
    producerEpoch: at('5+', or(-1, int16)),
  },
);
export type EndTxnResponse = Read<typeof EndTxnResponse>;
