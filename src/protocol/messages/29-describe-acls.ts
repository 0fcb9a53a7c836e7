/**
 * DescribeAcls (key 29). The access control entries that match a filter.
 *
 *     1    literal and prefixed patterns (KIP-290)
 *     3    users as resources, for delegation tokens (KIP-373)
 */
import { array, int16, int32, int8, message, nullable, or, string, struct, type Read } from '../schema.ts';

export const DescribeAclsRequest = message(
  'DescribeAclsRequest',
  { key: 29, versions: '1-3', flexible: '2+' },
  {
    resourceTypeFilter: int8,
    resourceNameFilter: nullable(string),
    patternTypeFilter: or(3, int8),
    principalFilter: nullable(string),
    hostFilter: nullable(string),
    operation: int8,
    permissionType: int8,
  },
);
export type DescribeAclsRequest = Read<typeof DescribeAclsRequest>;

export const DescribeAclsResponse = message(
  'DescribeAclsResponse',
  { key: 29, versions: '1-3', flexible: '2+' },
  {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
    resources: array(
      struct({
        resourceType: int8,
        resourceName: string,
        patternType: or(3, int8),
        acls: array(
          struct({
            principal: string,
            host: string,
            operation: int8,
            permissionType: int8,
          }),
        ),
      }),
    ),
  },
);
export type DescribeAclsResponse = Read<typeof DescribeAclsResponse>;
