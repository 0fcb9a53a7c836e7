/** UnregisterController (key 94). Forgets a controller that will not come back. */
import { int16, int32, message, nullable, string, type Read } from '../schema.ts';

export const UnregisterControllerRequest = message(
  'UnregisterControllerRequest',
  { key: 94, versions: '0', flexible: '0+' },
  {
    controllerId: int32,
  },
);
export type UnregisterControllerRequest = Read<typeof UnregisterControllerRequest>;

export const UnregisterControllerResponse = message(
  'UnregisterControllerResponse',
  { key: 94, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
  },
);
export type UnregisterControllerResponse = Read<typeof UnregisterControllerResponse>;
