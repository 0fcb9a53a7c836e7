/**
 * DeleteGroups (key 42). Deletes groups without members (KIP-229).
 *
 *     3    a message for each group
 */
import { array, at, int16, int32, message, orNull, string, struct, type Read } from '../schema.ts';

export const DeleteGroupsRequest = message(
  'DeleteGroupsRequest',
  { key: 42, versions: '0-3', flexible: '2+' },
  {
    groupsNames: array(string),
  },
);
export type DeleteGroupsRequest = Read<typeof DeleteGroupsRequest>;

export const DeleteGroupsResponse = message(
  'DeleteGroupsResponse',
  { key: 42, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32,
    results: array(
      struct({
        groupId: string,
        errorCode: int16,
        errorMessage: at('3+', orNull(string)),
      }),
    ),
  },
);
export type DeleteGroupsResponse = Read<typeof DeleteGroupsResponse>;
