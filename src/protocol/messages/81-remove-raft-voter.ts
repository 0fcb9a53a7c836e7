/** RemoveRaftVoter (key 81). Removes a voter from the metadata quorum (KIP-853). */
import { int16, int32, message, nullable, string, uuid, type Read } from '../schema.ts';

export const RemoveRaftVoterRequest = message(
  'RemoveRaftVoterRequest',
  { key: 81, versions: '0', flexible: '0+' },
  {
    clusterId: nullable(string),
    voterId: int32,
    voterDirectoryId: uuid,
  },
);
export type RemoveRaftVoterRequest = Read<typeof RemoveRaftVoterRequest>;

export const RemoveRaftVoterResponse = message(
  'RemoveRaftVoterResponse',
  { key: 81, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
  },
);
export type RemoveRaftVoterResponse = Read<typeof RemoveRaftVoterResponse>;
