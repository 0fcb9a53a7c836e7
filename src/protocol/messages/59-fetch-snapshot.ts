/**
 * FetchSnapshot (key 59). Fetches a part of a snapshot of the metadata log (KIP-630).
 *
 *     1    the replica's directory, and the leader's address (KIP-853)
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  message,
  or,
  orNull,
  recordsVector,
  string,
  struct,
  tagged,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const FetchSnapshotRequest = message(
  'FetchSnapshotRequest',
  { key: 59, versions: '0-1', flexible: '0+' },
  {
    clusterId: tagged(0, orNull(string)),
    replicaId: or(-1, int32),
    maxBytes: or(2147483647, int32),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: int32,
            snapshotId: struct({
              endOffset: int64,
              epoch: int32,
            }),
            position: int64,
            replicaDirectoryId: at('1+', tagged(0, uuid)),
          }),
        ),
      }),
    ),
  },
);
export type FetchSnapshotRequest = Read<typeof FetchSnapshotRequest>;

export const FetchSnapshotResponse = message(
  'FetchSnapshotResponse',
  { key: 59, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            index: int32,
            errorCode: int16,
            snapshotId: struct({
              endOffset: int64,
              epoch: int32,
            }),
            currentLeader: tagged(
              0,
              struct({
                leaderId: int32,
                leaderEpoch: int32,
              }),
            ),
            size: int64,
            position: int64,
            unalignedRecords: recordsVector,
          }),
        ),
      }),
    ),
    nodeEndpoints: at(
      '1+',
      tagged(
        0,
        array(
          struct({
            nodeId: int32,
            host: string,
            port: uint16,
          }),
        ),
      ),
    ),
  },
);
export type FetchSnapshotResponse = Read<typeof FetchSnapshotResponse>;
