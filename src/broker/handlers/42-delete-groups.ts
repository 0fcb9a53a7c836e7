/** DeleteGroups: groups without members go, with their offsets. */
import { deletedGroup } from '../../groups/group-admin.ts';
import { Errors } from '../../protocol/errors.ts';
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../protocol/messages/42-delete-groups.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const deleteGroups = handler(
  DeleteGroupsRequest,
  DeleteGroupsResponse,
  async (request, context, services) => {
    const groupIds = [...new Set(request.groupsNames)];
    const isAllowed = (groupId: string): boolean =>
      authorize(services, context, { operation: 'DELETE', resource: 'GROUP', name: groupId });
    const { allowed = [], refused = [] } = Object.groupBy(groupIds, (id) =>
      isAllowed(id) ? 'allowed' : 'refused',
    );
    const results = await services.groups.deleteGroups(allowed);
    for (const groupId of refused) results.push(deletedGroup(groupId, Errors.GROUP_AUTHORIZATION_FAILED));
    return { throttleTimeMs: 0, results };
  },
);
