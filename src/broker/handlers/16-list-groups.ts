/** ListGroups: the groups that this broker coordinates. Clients ask every broker. */
import { ListGroupsRequest, ListGroupsResponse } from '../../protocol/messages/16-list-groups.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const listGroups = handler(ListGroupsRequest, ListGroupsResponse, (request, context, services) => {
  const response = services.groups.listGroups(request);
  if (authorize(services, context, { operation: 'DESCRIBE', resource: 'CLUSTER' })) return response;
  const groups = response.groups.filter(({ groupId }) =>
    authorize(services, context, { operation: 'DESCRIBE', resource: 'GROUP', name: groupId }),
  );
  return { ...response, groups };
});
