/**
 * ListTransactions (key 66). The transactional ids of a coordinator (KIP-664).
 *
 *     1    only those running for longer than a time (KIP-994)
 *     2    only those that match a regular expression (KIP-1152)
 */
import { array, at, int16, int32, int64, message, or, orNull, string, struct, type Read } from '../schema.ts';

export const ListTransactionsRequest = message(
  'ListTransactionsRequest',
  { key: 66, versions: '0-2', flexible: '0+' },
  {
    stateFilters: array(string),
    producerIdFilters: array(int64),
    durationFilter: at('1+', or(-1, int64)),
    transactionalIdPattern: at('2+', orNull(string)),
  },
);
export type ListTransactionsRequest = Read<typeof ListTransactionsRequest>;

export const ListTransactionsResponse = message(
  'ListTransactionsResponse',
  { key: 66, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    unknownStateFilters: array(string),
    transactionStates: array(
      struct({
        transactionalId: string,
        producerId: int64,
        transactionState: string,
      }),
    ),
  },
);
export type ListTransactionsResponse = Read<typeof ListTransactionsResponse>;
