/**
 * ListGroups (key 16). The groups of a coordinator.
 *
 *     4    state: filter and answer (KIP-518)
 *     5    type: filter and answer (KIP-848)
 */
import { array, at, int16, int32, message, string, struct, type Read } from '../schema.ts';

export const ListGroupsRequest = message(
  'ListGroupsRequest',
  { key: 16, versions: '0-5', flexible: '3+' },
  {
    statesFilter: at('4+', array(string)),
    typesFilter: at('5+', array(string)),
  },
);
export type ListGroupsRequest = Read<typeof ListGroupsRequest>;

export const ListGroupsResponse = message(
  'ListGroupsResponse',
  { key: 16, versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: at('1+', int32),
    errorCode: int16,
    groups: array(
      struct({
        groupId: string,
        protocolType: string,
        groupState: at('4+', string),
        groupType: at('5+', string),
      }),
    ),
  },
);
export type ListGroupsResponse = Read<typeof ListGroupsResponse>;
