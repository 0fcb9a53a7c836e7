/** DescribeGroups: classic groups with their members, in the order in which they were asked for. */
import { undescribedGroup } from '../../groups/group-admin.ts';
import { Errors } from '../../protocol/errors.ts';
import { DescribeGroupsRequest, DescribeGroupsResponse } from '../../protocol/messages/15-describe-groups.ts';
import { authorize } from '../authorization.ts';
import { authorizedOperations } from '../authorized-operations.ts';
import { handler } from '../handler.ts';

export const describeGroups = handler(
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  (request, context, services) => {
    const groups = request.groups.map((groupId) => {
      if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'GROUP', name: groupId })) {
        return undescribedGroup(groupId, Errors.GROUP_AUTHORIZATION_FAILED);
      }
      const [group] = services.groups.describeGroups(context, [groupId]);
      if (!request.includeAuthorizedOperations || group.errorCode !== Errors.NONE) return group;
      return { ...group, authorizedOperations: authorizedOperations(services, context, 'GROUP', groupId) };
    });
    return { throttleTimeMs: 0, groups };
  },
);
