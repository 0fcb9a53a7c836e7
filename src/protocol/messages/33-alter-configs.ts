/**
 * AlterConfigs (key 33). Replaces all configurations of a resource. Superseded by IncrementalAlterConfigs, still
 * called by old tools.
 */
import { array, bool, int16, int32, int8, message, nullable, string, struct, type Read } from '../schema.ts';

export const AlterConfigsRequest = message(
  'AlterConfigsRequest',
  { key: 33, versions: '0-2', flexible: '2+' },
  {
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            value: nullable(string),
          }),
        ),
      }),
    ),
    validateOnly: bool,
  },
);
export type AlterConfigsRequest = Read<typeof AlterConfigsRequest>;

export const AlterConfigsResponse = message(
  'AlterConfigsResponse',
  { key: 33, versions: '0-2', flexible: '2+' },
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
export type AlterConfigsResponse = Read<typeof AlterConfigsResponse>;
