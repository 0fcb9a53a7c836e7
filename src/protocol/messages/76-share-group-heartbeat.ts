/**
 * ShareGroupHeartbeat (key 76). Everything that a member of a share group says and is told (KIP-932). Version 0 was
 * early access and is gone.
 */
import { array, int16, int32, message, orNull, string, struct, uuid, type Read } from '../schema.ts';

export const ShareGroupHeartbeatRequest = message(
  'ShareGroupHeartbeatRequest',
  { key: 76, versions: '1', flexible: '0+' },
  {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    rackId: orNull(string),
    subscribedTopicNames: orNull(array(string)),
  },
);
export type ShareGroupHeartbeatRequest = Read<typeof ShareGroupHeartbeatRequest>;

const shareGroupHeartbeatResponseTopicPartitions = struct({
  topicId: uuid,
  partitions: array(int32),
});

export const ShareGroupHeartbeatResponse = message(
  'ShareGroupHeartbeatResponse',
  { key: 76, versions: '1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    memberId: orNull(string),
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    assignment: orNull(
      struct({
        topicPartitions: array(shareGroupHeartbeatResponseTopicPartitions),
      }),
    ),
  },
);
export type ShareGroupHeartbeatResponse = Read<typeof ShareGroupHeartbeatResponse>;
