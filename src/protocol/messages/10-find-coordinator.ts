/**
 * FindCoordinator (key 10). Which broker coordinates a group (type 0), a transactional id (1) or a share partition (2,
 * keyed `groupId:topicId:partition`).
 *
 *     1    the type, and error messages
 *     4    several keys at once (KIP-699)
 *     5    TRANSACTION_ABORTABLE (KIP-890)
 *     6    share groups (KIP-932)
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

export const FindCoordinatorRequest = message(
  'FindCoordinatorRequest',
  { key: 10, versions: '0-6', flexible: '3+' },
  {
    key: at('0-3', string),
    keyType: at('1+', or(0, int8)),
    coordinatorKeys: at('4+', array(string)),
  },
);
export type FindCoordinatorRequest = Read<typeof FindCoordinatorRequest>;

export const FindCoordinatorResponse = message(
  'FindCoordinatorResponse',
  { key: 10, versions: '0-6', flexible: '3+' },
  {
    throttleTimeMs: at('1+', int32),
    errorCode: at('0-3', int16),
    errorMessage: at('1-3', nullable(string)),
    nodeId: at('0-3', int32),
    host: at('0-3', string),
    port: at('0-3', int32),
    coordinators: at(
      '4+',
      array(
        struct({
          key: string,
          nodeId: int32,
          host: string,
          port: int32,
          errorCode: int16,
          errorMessage: nullable(string),
        }),
      ),
    ),
  },
);
export type FindCoordinatorResponse = Read<typeof FindCoordinatorResponse>;
