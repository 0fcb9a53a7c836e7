/** SyncGroup: the leader's assignment comes in, each member's part goes out once it is written. */
import { syncRefused } from '../../groups/classic/responses.ts';
import { Errors } from '../../protocol/errors.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../protocol/messages/14-sync-group.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const syncGroup = handler(SyncGroupRequest, SyncGroupResponse, (request, context, services) => {
  if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: request.groupId })) {
    return syncRefused(Errors.GROUP_AUTHORIZATION_FAILED);
  }
  return services.groups.syncGroup(context, request);
});
