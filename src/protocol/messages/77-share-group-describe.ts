/**
 * ShareGroupDescribe (key 77). Members and assignments of share groups (KIP-932). Version 0 was early access and is
 * gone.
 */
import {
  array,
  bool,
  int16,
  int32,
  message,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const ShareGroupDescribeRequest = message(
  'ShareGroupDescribeRequest',
  { key: 77, versions: '1', flexible: '0+' },
  {
    groupIds: array(string),
    includeAuthorizedOperations: bool,
  },
);
export type ShareGroupDescribeRequest = Read<typeof ShareGroupDescribeRequest>;

const shareGroupDescribeResponseTopicPartitions = struct({
  topicId: uuid,
  topicName: string,
  partitions: array(int32),
});
const shareGroupDescribeResponseAssignment = struct({
  topicPartitions: array(shareGroupDescribeResponseTopicPartitions),
});

export const ShareGroupDescribeResponse = message(
  'ShareGroupDescribeResponse',
  { key: 77, versions: '1', flexible: '0+' },
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
            rackId: orNull(string),
            memberEpoch: int32,
            clientId: string,
            clientHost: string,
            subscribedTopicNames: array(string),
            assignment: shareGroupDescribeResponseAssignment,
          }),
        ),
        authorizedOperations: or(-2147483648, int32),
      }),
    ),
  },
);
export type ShareGroupDescribeResponse = Read<typeof ShareGroupDescribeResponse>;
