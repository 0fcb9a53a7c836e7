/**
 * ControllerRegistration (key 70). A controller registers its addresses and features with the active one (KIP-919).
 */
import {
  array,
  bool,
  int16,
  int32,
  message,
  nullable,
  string,
  struct,
  uint16,
  uuid,
  type Read,
} from '../schema.ts';

export const ControllerRegistrationRequest = message(
  'ControllerRegistrationRequest',
  { key: 70, versions: '0', flexible: '0+' },
  {
    controllerId: int32,
    incarnationId: uuid,
    zkMigrationReady: bool,
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
  },
);
export type ControllerRegistrationRequest = Read<typeof ControllerRegistrationRequest>;

export const ControllerRegistrationResponse = message(
  'ControllerRegistrationResponse',
  { key: 70, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
  },
);
export type ControllerRegistrationResponse = Read<typeof ControllerRegistrationResponse>;
