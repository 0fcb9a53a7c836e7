/** JoinGroup: answered when the group has a new generation, which may take as long as the rebalance timeout. */
import { joinRefused } from '../../groups/classic/responses.ts';
import { Errors } from '../../protocol/errors.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../protocol/messages/11-join-group.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const joinGroup = handler(JoinGroupRequest, JoinGroupResponse, (request, context, services) => {
  const { groupId, memberId } = request;
  if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: groupId })) {
    return { ...joinRefused(Errors.GROUP_AUTHORIZATION_FAILED, memberId), protocolName: '' };
  }
  // As Java prints an address without a name: tools know the slash.
  return services.groups.joinGroup({ ...context, clientHost: `/${context.clientHost}` }, request);
});
