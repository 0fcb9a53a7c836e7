/** Requests that concern the cluster as a whole are allowed or refused as a whole. */
import { Errors, KafkaError } from '../protocol/errors.ts';
import { authorize } from './authorization.ts';
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';

/** Throws CLUSTER_AUTHORIZATION_FAILED, which becomes the request's answer. */
export function requireClusterOperation(
  services: Pick<Services, 'authorizer'>,
  context: RequestContext,
  operation: 'ALTER' | 'DESCRIBE',
): void {
  if (authorize(services, context, { operation, resource: 'CLUSTER' })) return;
  throw new KafkaError(Errors.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.');
}
