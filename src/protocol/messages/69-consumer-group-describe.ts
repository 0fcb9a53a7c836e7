/**
 * ConsumerGroupDescribe (key 69). Members, epochs and assignments of groups in the consumer protocol (KIP-848).
 *
 *     1    whether a member speaks the classic protocol (KIP-1099)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int8,
  message,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const ConsumerGroupDescribeRequest = message(
  'ConsumerGroupDescribeRequest',
  { key: 69, versions: '0-1', flexible: '0+' },
  {
    groupIds: array(string),
    includeAuthorizedOperations: bool,
  },
);
export type ConsumerGroupDescribeRequest = Read<typeof ConsumerGroupDescribeRequest>;

const consumerGroupDescribeResponseTopicPartitions = struct({
  topicId: uuid,
  topicName: string,
  partitions: array(int32),
});
const consumerGroupDescribeResponseAssignment = struct({
  topicPartitions: array(consumerGroupDescribeResponseTopicPartitions),
});

export const ConsumerGroupDescribeResponse = message(
  'ConsumerGroupDescribeResponse',
  { key: 69, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: orNull(string),
        groupId: string,
        groupState: string,
        groupEpoch: int32,
        assignmentEpoch: int32,
        assignorName: string,
        members: array(
          struct({
            memberId: string,
            instanceId: orNull(string),
            rackId: orNull(string),
            memberEpoch: int32,
            clientId: string,
            clientHost: string,
            subscribedTopicNames: array(string),
            subscribedTopicRegex: orNull(string),
            assignment: consumerGroupDescribeResponseAssignment,
            targetAssignment: consumerGroupDescribeResponseAssignment,
            memberType: at('1+', or(-1, int8)),
          }),
        ),
        authorizedOperations: or(-2147483648, int32),
      }),
    ),
  },
);
export type ConsumerGroupDescribeResponse = Read<typeof ConsumerGroupDescribeResponse>;
