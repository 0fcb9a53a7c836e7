/** FindCoordinator (key 10): Locate group (0), txn (1), share (2) coordinator; batched keys v4+. */
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
