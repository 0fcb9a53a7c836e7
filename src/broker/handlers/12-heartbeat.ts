/** Heartbeat: a member of a classic group is alive, and hears whether it has to join again. */
import { Errors } from '../../protocol/errors.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../protocol/messages/12-heartbeat.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const heartbeat = handler(HeartbeatRequest, HeartbeatResponse, (request, context, services) => {
  if (!authorize(services, context, { operation: 'READ', resource: 'GROUP', name: request.groupId })) {
    return { throttleTimeMs: 0, errorCode: Errors.GROUP_AUTHORIZATION_FAILED };
  }
  return services.groups.heartbeat(request);
});
