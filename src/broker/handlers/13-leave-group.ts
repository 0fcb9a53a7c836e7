/** LeaveGroup: members go, or are removed by an administrator (KIP-345, several from version 3 on). */
import { Errors } from '../../protocol/errors.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/13-leave-group.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const leaveGroup = handler(LeaveGroupRequest, LeaveGroupResponse, (request, context, services) => {
  if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: request.groupId })) {
    return { throttleTimeMs: 0, errorCode: Errors.GROUP_AUTHORIZATION_FAILED, members: [] };
  }
  return services.groups.leaveGroup(context, request);
});
