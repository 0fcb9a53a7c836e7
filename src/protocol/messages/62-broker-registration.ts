/**
 * BrokerRegistration (key 62). A broker registers with the controller when it starts (KIP-631).
 *
 *     1    migration from ZooKeeper (KIP-866)
 *     2    log directories (KIP-858)
 *     3    the epoch that a clean shutdown left behind (KIP-966)
 *     4    features may have 0 as their smallest level (KAFKA-17011)
 */
import {
  array,
  at,
  bool,
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

export const BrokerRegistrationRequest = message(
  'BrokerRegistrationRequest',
  { key: 62, versions: '0-4', flexible: '0+' },
  {
    brokerId: int32,
    clusterId: string,
    incarnationId: uuid,
    listeners: array(
      struct({
        name: string,
        host: string,
        port: uint16,
        securityProtocol: int16,
      }),
    ),
    features: array(
      struct({
        name: string,
        minSupportedVersion: int16,
        maxSupportedVersion: int16,
      }),
    ),
    rack: nullable(string),
    isMigratingZkBroker: at('1+', or(false, bool)),
    logDirs: at('2+', array(uuid)),
    previousBrokerEpoch: at('3+', or(-1, int64)),
  },
);
export type BrokerRegistrationRequest = Read<typeof BrokerRegistrationRequest>;

export const BrokerRegistrationResponse = message(
  'BrokerRegistrationResponse',
  { key: 62, versions: '0-4', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    brokerEpoch: or(-1, int64),
  },
);
export type BrokerRegistrationResponse = Read<typeof BrokerRegistrationResponse>;
