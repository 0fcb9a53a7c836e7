/**
 * Records of __share_group_state (KIP-932): what a share partition has delivered, as a whole (snapshot) or as a change
 * since (update).
 */
import {
  array,
  int16,
  int32,
  int64,
  int8,
  message,
  or,
  string,
  struct,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const ShareSnapshotKey = message(
  'ShareSnapshotKey',
  { key: 0, versions: '0', flexible: 'none' },
  {
    groupId: string,
    topicId: uuid,
    partition: int32,
  },
);
export type ShareSnapshotKey = Read<typeof ShareSnapshotKey>;

export const ShareSnapshotValue = message(
  'ShareSnapshotValue',
  { key: 0, versions: '0', flexible: '0+' },
  {
    snapshotEpoch: int32,
    stateEpoch: int32,
    leaderEpoch: int32,
    startOffset: int64,
    deliveryCompleteCount: tagged(0, or(-1, int32)),
    createTimestamp: int64,
    writeTimestamp: int64,
    stateBatches: array(
      struct({
        firstOffset: int64,
        lastOffset: int64,
        deliveryState: int8,
        deliveryCount: int16,
      }),
    ),
  },
);
export type ShareSnapshotValue = Read<typeof ShareSnapshotValue>;

export const ShareUpdateKey = message(
  'ShareUpdateKey',
  { key: 1, versions: '0', flexible: 'none' },
  {
    groupId: string,
    topicId: uuid,
    partition: int32,
  },
);
export type ShareUpdateKey = Read<typeof ShareUpdateKey>;

export const ShareUpdateValue = message(
  'ShareUpdateValue',
  { key: 1, versions: '0', flexible: '0+' },
  {
    snapshotEpoch: int32,
    leaderEpoch: int32,
    startOffset: int64,
    deliveryCompleteCount: tagged(0, or(-1, int32)),
    stateBatches: array(
      struct({
        firstOffset: int64,
        lastOffset: int64,
        deliveryState: int8,
        deliveryCount: int16,
      }),
    ),
  },
);
export type ShareUpdateValue = Read<typeof ShareUpdateValue>;
