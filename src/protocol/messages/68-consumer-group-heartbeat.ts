/**
 * ConsumerGroupHeartbeat (key 68). Everything that a member of a group in the consumer protocol says and is told:
 * membership, subscription, assignment (KIP-848).
 *
 *     1    subscription by regular expression; the member makes its own id (KIP-1082)
 */
import { array, at, int16, int32, message, or, orNull, string, struct, uuid, type Read } from '../schema.ts';

export const ConsumerGroupHeartbeatRequest = message(
  'ConsumerGroupHeartbeatRequest',
  { key: 68, versions: '0-1', flexible: '0+' },
  {
    groupId: string,
    memberId: string,
    memberEpoch: int32,
    instanceId: orNull(string),
    rackId: orNull(string),
    rebalanceTimeoutMs: or(-1, int32),
    subscribedTopicNames: orNull(array(string)),
    subscribedTopicRegex: at('1+', orNull(string)),
    serverAssignor: orNull(string),
    topicPartitions: orNull(
      array(
        struct({
          topicId: uuid,
          partitions: array(int32),
        }),
      ),
    ),
  },
);
export type ConsumerGroupHeartbeatRequest = Read<typeof ConsumerGroupHeartbeatRequest>;

const consumerGroupHeartbeatResponseTopicPartitions = struct({
  topicId: uuid,
  partitions: array(int32),
});

export const ConsumerGroupHeartbeatResponse = message(
  'ConsumerGroupHeartbeatResponse',
  { key: 68, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: orNull(string),
    memberId: orNull(string),
    memberEpoch: int32,
    heartbeatIntervalMs: int32,
    assignment: orNull(
      struct({
        topicPartitions: array(consumerGroupHeartbeatResponseTopicPartitions),
      }),
    ),
  },
);
export type ConsumerGroupHeartbeatResponse = Read<typeof ConsumerGroupHeartbeatResponse>;
