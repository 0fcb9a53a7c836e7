/**
 * AddRaftVoter (key 80). Adds a voter to the metadata quorum (KIP-853).
 *
 *     1    whether the answer waits for the commit
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  message,
  nullable,
  or,
  string,
  struct,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const AddRaftVoterRequest = message(
  'AddRaftVoterRequest',
  { key: 80, versions: '0-1', flexible: '0+' },
  {
    clusterId: nullable(string),
    timeoutMs: int32,
    voterId: int32,
    voterDirectoryId: uuid,
    listeners: array(
      struct({
        name: string,
        host: string,
        port: uint16,
      }),
    ),
    ackWhenCommitted: at('1+', or(true, bool)),
  },
);
export type AddRaftVoterRequest = Read<typeof AddRaftVoterRequest>;

export const AddRaftVoterResponse = message(
  'AddRaftVoterResponse',
  { key: 80, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
  },
);
export type AddRaftVoterResponse = Read<typeof AddRaftVoterResponse>;
