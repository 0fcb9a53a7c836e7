/**
 * IncrementalAlterConfigs (key 44). Sets, deletes, appends to or subtracts from single configurations (KIP-339).
 */
import { array, bool, int16, int32, int8, message, nullable, string, struct, type Read } from '../schema.ts';

export const IncrementalAlterConfigsRequest = message(
  'IncrementalAlterConfigsRequest',
  { key: 44, versions: '0-1', flexible: '1+' },
  {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            configOperation: int8,
            value: nullable(string),
          }),
        ),
      }),
    ),
    validateOnly: bool,
  },
);
export type IncrementalAlterConfigsRequest = Read<typeof IncrementalAlterConfigsRequest>;

export const IncrementalAlterConfigsResponse = message(
  'IncrementalAlterConfigsResponse',
  { key: 44, versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: int32,
    responses: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
      }),
    ),
  },
);
export type IncrementalAlterConfigsResponse = Read<typeof IncrementalAlterConfigsResponse>;
