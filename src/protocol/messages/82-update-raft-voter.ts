/** UpdateRaftVoter (key 82). A voter of the metadata quorum tells its new addresses and versions (KIP-853). */
import {
  array,
  int16,
  int32,
  message,
  nullable,
  or,
  string,
  struct,
  tagged,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const UpdateRaftVoterRequest = message(
  'UpdateRaftVoterRequest',
  { key: 82, versions: '0', flexible: '0+' },
  {
    clusterId: nullable(string),
    currentLeaderEpoch: int32,
    voterId: int32,
    voterDirectoryId: uuid,
    listeners: array(
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
  },
);
export type UpdateRaftVoterRequest = Read<typeof UpdateRaftVoterRequest>;

export const UpdateRaftVoterResponse = message(
  'UpdateRaftVoterResponse',
  { key: 82, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    currentLeader: tagged(
      0,
      struct({
        leaderId: or(-1, int32),
        leaderEpoch: or(-1, int32),
        host: string,
        port: int32,
      }),
    ),
  },
);
export type UpdateRaftVoterResponse = Read<typeof UpdateRaftVoterResponse>;
