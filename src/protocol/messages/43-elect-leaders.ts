/**
 * ElectLeaders (key 43). Elects the preferred replicas as leaders, or unclean ones (KIP-183).
 *
 *     1    the type of election (KIP-460)
 */
import {
  array,
  at,
  int16,
  int32,
  int8,
  message,
  nullable,
  or,
  string,
  struct,
  type Read,
} from '../schema.ts';

export const ElectLeadersRequest = message(
  'ElectLeadersRequest',
  { key: 43, versions: '0-2', flexible: '2+' },
  {
    electionType: at('1+', int8),
    topicPartitions: nullable(
      array(
        struct({
          topic: string,
          partitions: array(int32),
        }),
      ),
    ),
    timeoutMs: or(60000, int32),
  },
);
export type ElectLeadersRequest = Read<typeof ElectLeadersRequest>;

export const ElectLeadersResponse = message(
  'ElectLeadersResponse',
  { key: 43, versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32,
    errorCode: at('1+', int16),
    replicaElectionResults: array(
      struct({
        topic: string,
        partitionResult: array(
          struct({
            partitionId: int32,
            errorCode: int16,
            errorMessage: nullable(string),
          }),
        ),
      }),
    ),
  },
);
export type ElectLeadersResponse = Read<typeof ElectLeadersResponse>;
