/** ListConfigResources (key 74): what has configurations, by type (KIP-1142). */
import { Errors } from '../../protocol/errors.ts';
import {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../protocol/messages/74-list-config-resources.ts';
import { authorize } from '../authorization.ts';
import { CONFIG_RESOURCE } from '../config-resources.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';
import { brokerNodes } from '../topic-description.ts';

/** In the order of the answer, as in Kafka. */
const TYPES = [
  CONFIG_RESOURCE.GROUP,
  CONFIG_RESOURCE.CLIENT_METRICS,
  CONFIG_RESOURCE.BROKER_LOGGER,
  CONFIG_RESOURCE.BROKER,
  CONFIG_RESOURCE.TOPIC,
] as const;
type Type = (typeof TYPES)[number];

export const listConfigResources = handler(
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
  (request, context, services) => {
    const fail = (errorCode: number) => ({ throttleTimeMs: 0, errorCode, configResources: [] });
    if (!authorize(services, context, { operation: 'DESCRIBE_CONFIGS', resource: 'CLUSTER' })) {
      return fail(Errors.CLUSTER_AUTHORIZATION_FAILED);
    }
    // Version 0 was ListClientMetricsResources.
    const supported: readonly Type[] = context.apiVersion === 0 ? [CONFIG_RESOURCE.CLIENT_METRICS] : TYPES;
    const asked = new Set<number>(request.resourceTypes.length === 0 ? supported : request.resourceTypes);
    for (const type of asked) {
      if (!(supported as readonly number[]).includes(type)) return fail(Errors.UNSUPPORTED_VERSION);
    }
    const configResources = TYPES.filter((type) => asked.has(type)).flatMap((resourceType) =>
      names(resourceType, context.listener, services).map((resourceName) => ({ resourceName, resourceType })),
    );
    return { throttleTimeMs: 0, errorCode: Errors.NONE, configResources };
  },
);

function names(type: Type, listener: string, { image }: Services): string[] {
  switch (type) {
    case CONFIG_RESOURCE.GROUP:
      return image.configuredNames('GROUP');
    case CONFIG_RESOURCE.CLIENT_METRICS:
      return image.configuredNames('CLIENT_METRICS');
    case CONFIG_RESOURCE.BROKER:
    case CONFIG_RESOURCE.BROKER_LOGGER:
      return brokerNodes(image, listener).map((node) => String(node.nodeId));
    case CONFIG_RESOURCE.TOPIC:
      return [...image.topics.keys()];
  }
}
