/**
 * AddPartitionsToTxn (key 24). Adds partitions to a transaction. Clients use versions up to 3; brokers use 4 and 5
 * among themselves.
 *
 *     2    PRODUCER_FENCED (KIP-588)
 *     4    several transactions at once, or only a check whether the partitions are in (KIP-890)
 *     5    TRANSACTION_ABORTABLE (KIP-890)
 */
import { array, at, bool, int16, int32, int64, message, or, string, struct, type Read } from '../schema.ts';

const addPartitionsToTxnRequestAddPartitionsToTxnTopic = struct({
  name: string,
  partitions: array(int32),
});

export const AddPartitionsToTxnRequest = message(
  'AddPartitionsToTxnRequest',
  { key: 24, versions: '0-5', flexible: '3+' },
  {
    transactions: at(
      '4+',
      array(
        struct({
          transactionalId: string,
          producerId: int64,
          producerEpoch: int16,
          verifyOnly: or(false, bool),
          topics: array(addPartitionsToTxnRequestAddPartitionsToTxnTopic),
        }),
      ),
    ),
    v3AndBelowTransactionalId: at('0-3', string),
    v3AndBelowProducerId: at('0-3', int64),
    v3AndBelowProducerEpoch: at('0-3', int16),
    v3AndBelowTopics: at('0-3', array(addPartitionsToTxnRequestAddPartitionsToTxnTopic)),
  },
);
export type AddPartitionsToTxnRequest = Read<typeof AddPartitionsToTxnRequest>;

const addPartitionsToTxnResponseAddPartitionsToTxnPartitionResult = struct({
  partitionIndex: int32,
  partitionErrorCode: int16,
});
const addPartitionsToTxnResponseAddPartitionsToTxnTopicResult = struct({
  name: string,
  resultsByPartition: array(addPartitionsToTxnResponseAddPartitionsToTxnPartitionResult),
});

export const AddPartitionsToTxnResponse = message(
  'AddPartitionsToTxnResponse',
  { key: 24, versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32,
    errorCode: at('4+', int16),
    resultsByTransaction: at(
      '4+',
      array(
        struct({
          transactionalId: string,
          topicResults: array(addPartitionsToTxnResponseAddPartitionsToTxnTopicResult),
        }),
      ),
    ),
    resultsByTopicV3AndBelow: at('0-3', array(addPartitionsToTxnResponseAddPartitionsToTxnTopicResult)),
  },
);
export type AddPartitionsToTxnResponse = Read<typeof AddPartitionsToTxnResponse>;
