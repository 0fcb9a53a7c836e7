/**
 * Records of __remote_log_metadata (KIP-405): which segments of a partition were copied to, or are being deleted from,
 * tiered storage.
 */
import {
  array,
  bool,
  bytes,
  int32,
  int64,
  int8,
  message,
  orNull,
  string,
  struct,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const RemoteLogSegmentMetadataRecord = message(
  'RemoteLogSegmentMetadataRecord',
  { key: 0, versions: '0', flexible: '0+' },
  {
    remoteLogSegmentId: struct({
      topicIdPartition: struct({
        name: string,
        id: uuid,
        partition: int32,
      }),
      id: uuid,
    }),
    startOffset: int64,
    endOffset: int64,
    brokerId: int32,
    maxTimestampMs: int64,
    eventTimestampMs: int64,
    segmentLeaderEpochs: array(
      struct({
        leaderEpoch: int32,
        offset: int64,
      }),
    ),
    segmentSizeInBytes: int32,
    customMetadata: orNull(bytes),
    remoteLogSegmentState: int8,
    txnIndexEmpty: tagged(0, bool),
  },
);
export type RemoteLogSegmentMetadataRecord = Read<typeof RemoteLogSegmentMetadataRecord>;

export const RemoteLogSegmentMetadataUpdateRecord = message(
  'RemoteLogSegmentMetadataUpdateRecord',
  { key: 1, versions: '0', flexible: '0+' },
  {
    remoteLogSegmentId: struct({
      topicIdPartition: struct({
        name: string,
        id: uuid,
        partition: int32,
      }),
      id: uuid,
    }),
    brokerId: int32,
    eventTimestampMs: int64,
    customMetadata: orNull(bytes),
    remoteLogSegmentState: int8,
  },
);
export type RemoteLogSegmentMetadataUpdateRecord = Read<typeof RemoteLogSegmentMetadataUpdateRecord>;

export const RemotePartitionDeleteMetadataRecord = message(
  'RemotePartitionDeleteMetadataRecord',
  { key: 2, versions: '0', flexible: '0+' },
  {
    topicIdPartition: struct({
      name: string,
      id: uuid,
      partition: int32,
    }),
    brokerId: int32,
    eventTimestampMs: int64,
    remotePartitionDeleteState: int8,
  },
);
export type RemotePartitionDeleteMetadataRecord = Read<typeof RemotePartitionDeleteMetadataRecord>;

export const RemoteLogSegmentMetadataSnapshotRecord = message(
  'RemoteLogSegmentMetadataSnapshotRecord',
  { key: 3, versions: '0', flexible: '0+' },
  {
    segmentId: uuid,
    startOffset: int64,
    endOffset: int64,
    brokerId: int32,
    maxTimestampMs: int64,
    eventTimestampMs: int64,
    segmentLeaderEpochs: array(
      struct({
        leaderEpoch: int32,
        offset: int64,
      }),
    ),
    segmentSizeInBytes: int32,
    customMetadata: orNull(bytes),
    remoteLogSegmentState: int8,
    txnIndexEmpty: tagged(0, bool),
  },
);
export type RemoteLogSegmentMetadataSnapshotRecord = Read<typeof RemoteLogSegmentMetadataSnapshotRecord>;
