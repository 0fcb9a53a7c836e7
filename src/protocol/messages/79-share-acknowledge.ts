/**
 * ShareAcknowledge (key 79). Acknowledges records that a member of a share group acquired (KIP-932). Version 0 was
 * early access and is gone.
 *
 *     2    acquisitions can be renewed (KIP-1222)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  int8,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const ShareAcknowledgeRequest = message(
  'ShareAcknowledgeRequest',
  { key: 79, versions: '1-2', flexible: '0+' },
  {
    groupId: orNull(string),
    memberId: nullable(string),
    shareSessionEpoch: int32,
    isRenewAck: at('2+', or(false, bool)),
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            acknowledgementBatches: array(
              struct({
                firstOffset: int64,
                lastOffset: int64,
                acknowledgeTypes: array(int8),
              }),
            ),
          }),
        ),
      }),
    ),
  },
);
export type ShareAcknowledgeRequest = Read<typeof ShareAcknowledgeRequest>;

export const ShareAcknowledgeResponse = message(
  'ShareAcknowledgeResponse',
  { key: 79, versions: '1-2', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    acquisitionLockTimeoutMs: at('2+', int32),
    responses: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: orNull(string),
            currentLeader: struct({
              leaderId: int32,
              leaderEpoch: int32,
            }),
          }),
        ),
      }),
    ),
    nodeEndpoints: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: orNull(string),
      }),
    ),
  },
);
export type ShareAcknowledgeResponse = Read<typeof ShareAcknowledgeResponse>;
