/** AlterConfigs (key 33), the old form: what is sent replaces everything that was set. */
import type { AlterConfigs } from '../../metadata/controller/configs.ts';
import { refusal, type Outcome } from '../../metadata/outcome.ts';
import { Errors } from '../../protocol/errors.ts';
import { AlterConfigsRequest, AlterConfigsResponse } from '../../protocol/messages/33-alter-configs.ts';
import { alterResources } from '../alter-resources.ts';
import { handler } from '../handler.ts';

type Resource = AlterConfigsRequest['resources'][number];

export const alterConfigs = handler(AlterConfigsRequest, AlterConfigsResponse, (request, context, services) =>
  alterResources(request, { context, services, prepare }),
);

/** Loggers can only be changed one at a time, with IncrementalAlterConfigs. */
function prepare(resource: Resource, type: AlterConfigs['type'] | 'BROKER_LOGGER'): AlterConfigs | Outcome {
  if (type === 'BROKER_LOGGER') {
    return refusal(Errors.INVALID_REQUEST, `Unknown resource type ${resource.resourceType}`);
  }
  return { type, name: resource.resourceName, replacement: resource.configs };
}
