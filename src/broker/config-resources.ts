/** The resources of the configuration APIs: their type numbers, who may see and change them, and repeated ones. */
import { refusal, type Outcome } from '../metadata/outcome.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { authorize } from './authorization.ts';
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';

/** Kafka's ConfigResource.Type. */
export const CONFIG_RESOURCE = {
  TOPIC: 2,
  BROKER: 4,
  BROKER_LOGGER: 8,
  CLIENT_METRICS: 16,
  GROUP: 32,
} as const;
export type ConfigResourceName = keyof typeof CONFIG_RESOURCE;

/** Undefined: Kafka has no such type. */
export function configResourceName(type: number): ConfigResourceName | undefined {
  const entries = Object.entries(CONFIG_RESOURCE) as [ConfigResourceName, number][];
  return entries.find(([, id]) => id === type)?.[0];
}

/** Undefined: it is allowed. */
export function configAuthorizationProblem(
  services: Services,
  context: RequestContext,
  operation: 'DESCRIBE_CONFIGS' | 'ALTER_CONFIGS',
  resource: { readonly type: ConfigResourceName; readonly name: string },
): Outcome | undefined {
  const { type, name } = resource;
  if (type === 'TOPIC' || type === 'GROUP') {
    if (authorize(services, context, { operation, resource: type, name })) return undefined;
    return refusal(type === 'TOPIC' ? Errors.TOPIC_AUTHORIZATION_FAILED : Errors.GROUP_AUTHORIZATION_FAILED);
  }
  if (authorize(services, context, { operation, resource: 'CLUSTER' })) return undefined;
  return refusal(Errors.CLUSTER_AUTHORIZATION_FAILED);
}

interface RequestedResource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** The resources that a request names more than once. */
export function repeatedResources<T extends RequestedResource>(resources: readonly T[]): Set<T> {
  const first = new Map<string, T>();
  const repeated = new Set<T>();
  for (const resource of resources) {
    const key = `${resource.resourceType} ${resource.resourceName}`;
    const other = first.get(key);
    if (other === undefined) {
      first.set(key, resource);
      continue;
    }
    repeated.add(other);
    repeated.add(resource);
  }
  return repeated;
}

/** Throws INVALID_REQUEST unless the name is this broker's id: its configurations are changed through itself. */
export function requireThisBroker(name: string, nodeId: number): void {
  if (!/^[+-]?\d{1,10}$/.test(name)) {
    throw new KafkaError(Errors.INVALID_REQUEST, `Node id must be an integer, but it is: ${name}`);
  }
  if (Number(name) !== nodeId) {
    const message = `Unexpected broker id, expected ${nodeId}, but received ${name}`;
    throw new KafkaError(Errors.INVALID_REQUEST, message);
  }
}
