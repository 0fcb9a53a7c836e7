/**
 * ListConfigResources (key 74). The names of resources that have configurations.
 *
 *     0    client metrics alone (KIP-714)
 *     1    of the types asked for; all without any (KIP-1142)
 */
import { array, at, int16, int32, int8, message, or, string, struct, type Read } from '../schema.ts';

export const ListConfigResourcesRequest = message(
  'ListConfigResourcesRequest',
  { key: 74, versions: '0-1', flexible: '0+' },
  {
    resourceTypes: at('1+', array(int8)),
  },
);
export type ListConfigResourcesRequest = Read<typeof ListConfigResourcesRequest>;

export const ListConfigResourcesResponse = message(
  'ListConfigResourcesResponse',
  { key: 74, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    configResources: array(
      struct({
        resourceName: string,
        resourceType: at('1+', or(16, int8)),
      }),
    ),
  },
);
export type ListConfigResourcesResponse = Read<typeof ListConfigResourcesResponse>;
