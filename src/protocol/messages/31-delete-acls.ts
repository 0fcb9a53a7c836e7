/**
 * DeleteAcls (key 31). Removes the access control entries that match filters, and tells which they were.
 *
 *     1    literal and prefixed patterns (KIP-290)
 *     3    users as resources (KIP-373)
 */
import { array, int16, int32, int8, message, nullable, or, string, struct, type Read } from '../schema.ts';

export const DeleteAclsRequest = message(
  'DeleteAclsRequest',
  { key: 31, versions: '1-3', flexible: '2+' },
  {
    filters: array(
      struct({
        resourceTypeFilter: int8,
        resourceNameFilter: nullable(string),
        patternTypeFilter: or(3, int8),
        principalFilter: nullable(string),
        hostFilter: nullable(string),
        operation: int8,
        permissionType: int8,
      }),
    ),
  },
);
export type DeleteAclsRequest = Read<typeof DeleteAclsRequest>;

export const DeleteAclsResponse = message(
  'DeleteAclsResponse',
  { key: 31, versions: '1-3', flexible: '2+' },
  {
    throttleTimeMs: int32,
    filterResults: array(
      struct({
        errorCode: int16,
        errorMessage: nullable(string),
        matchingAcls: array(
          struct({
            errorCode: int16,
            errorMessage: nullable(string),
            resourceType: int8,
            resourceName: string,
            patternType: or(3, int8),
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
export type DeleteAclsResponse = Read<typeof DeleteAclsResponse>;
