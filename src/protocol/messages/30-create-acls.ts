/**
 * CreateAcls (key 30). Adds access control entries.
 *
 *     1    literal and prefixed patterns (KIP-290)
 *     3    users as resources (KIP-373)
 */
import { array, int16, int32, int8, message, nullable, or, string, struct, type Read } from '../schema.ts';

export const CreateAclsRequest = message(
  'CreateAclsRequest',
  { key: 30, versions: '1-3', flexible: '2+' },
  {
    creations: array(
      struct({
        resourceType: int8,
        resourceName: string,
        resourcePatternType: or(3, int8),
        principal: string,
        host: string,
        operation: int8,
        permissionType: int8,
      }),
    ),
  },
);
export type CreateAclsRequest = Read<typeof CreateAclsRequest>;

export const CreateAclsResponse = message(
  'CreateAclsResponse',
  { key: 30, versions: '1-3', flexible: '2+' },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
      }),
    ),
  },
);
export type CreateAclsResponse = Read<typeof CreateAclsResponse>;
