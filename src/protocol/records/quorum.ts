/**
 * Records that only Kafka's own metadata quorum writes: leader changes, voters and snapshots (KIP-595, KIP-630,
 * KIP-853), and its `quorum-state` file. Headrace's consensus is etcd's; tools that dump logs have to know them all
 * the same.
 */
import {
  array,
  at,
  int16,
  int32,
  int64,
  message,
  nullable,
  or,
  string,
  struct,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const KRaftVersionRecord = message(
  'KRaftVersionRecord',
  { versions: '0', flexible: '0+' },
  {
    version: int16,
    kRaftVersion: int16,
  },
);
export type KRaftVersionRecord = Read<typeof KRaftVersionRecord>;

const leaderChangeMessageVoter = struct({
  voterId: int32,
  voterDirectoryId: at('1+', uuid),
});

export const LeaderChangeMessage = message(
  'LeaderChangeMessage',
  { versions: '0-1', flexible: '0+' },
  {
    version: int16,
    leaderId: int32,
    voters: array(leaderChangeMessageVoter),
    grantingVoters: array(leaderChangeMessageVoter),
  },
);
export type LeaderChangeMessage = Read<typeof LeaderChangeMessage>;

export const QuorumStateData = message(
  'QuorumStateData',
  { versions: '0-1', flexible: '0+' },
  {
    clusterId: at('0', string),
    leaderId: or(-1, int32),
    leaderEpoch: or(-1, int32),
    votedId: or(-1, int32),
    votedDirectoryId: at('1+', uuid),
    appliedOffset: at('0', int64),
    currentVoters: at(
      '0',
      nullable(
        array(
          struct({
            voterId: int32,
          }),
        ),
      ),
    ),
  },
);
export type QuorumStateData = Read<typeof QuorumStateData>;

export const SnapshotFooterRecord = message(
  'SnapshotFooterRecord',
  { versions: '0', flexible: '0+' },
  {
    version: int16,
  },
);
export type SnapshotFooterRecord = Read<typeof SnapshotFooterRecord>;

export const SnapshotHeaderRecord = message(
  'SnapshotHeaderRecord',
  { versions: '0', flexible: '0+' },
  {
    version: int16,
    lastContainedLogTimestamp: int64,
  },
);
export type SnapshotHeaderRecord = Read<typeof SnapshotHeaderRecord>;

export const VotersRecord = message(
  'VotersRecord',
  { versions: '0', flexible: '0+' },
  {
    version: int16,
    voters: array(
      struct({
        voterId: int32,
        voterDirectoryId: uuid,
        endpoints: array(
          struct({
            name: string,
            host: string,
            port: uint16,
          }),
        ),
        kRaftVersionFeature: struct({
          minSupportedVersion: int16,
          maxSupportedVersion: int16,
        }),
      }),
    ),
  },
);
export type VotersRecord = Read<typeof VotersRecord>;
