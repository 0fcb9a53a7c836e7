/**
 * BrokerHeartbeat (key 63). A registered broker tells the controller that it lives, asks to be unfenced or to shut
 * down (KIP-631).
 *
 *     1    log directories that went offline (KIP-858)
 *     2    log directories that are cordoned (KIP-1066)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  message,
  or,
  orNull,
  tagged,
  uuid,
  type Read,
} from '../schema.ts';

export const BrokerHeartbeatRequest = message(
  'BrokerHeartbeatRequest',
  { key: 63, versions: '0-2', flexible: '0+' },
  {
    brokerId: int32,
    brokerEpoch: or(-1, int64),
    currentMetadataOffset: int64,
    wantFence: bool,
    wantShutDown: bool,
    offlineLogDirs: at('1+', tagged(0, array(uuid))),
    cordonedLogDirs: at('2+', tagged(1, orNull(array(uuid)))),
  },
);
export type BrokerHeartbeatRequest = Read<typeof BrokerHeartbeatRequest>;

export const BrokerHeartbeatResponse = message(
  'BrokerHeartbeatResponse',
  { key: 63, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    isCaughtUp: or(false, bool),
    isFenced: or(true, bool),
    shouldShutDown: bool,
  },
);
export type BrokerHeartbeatResponse = Read<typeof BrokerHeartbeatResponse>;
