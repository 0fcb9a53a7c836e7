/** Requests that concern the cluster as a whole are allowed or refused as a whole; some are for its brokers. */
import { Errors, KafkaError } from '../protocol/errors.ts';
import { allowAll } from '../security/authorizer.ts';
import { authorize } from './authorization.ts';
import { isBroker, type RequestContext } from './context.ts';
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

/**
 * Whether this may be asked, which a broker asks of another. Where an authorizer says who may act for the cluster, those may;
 * in a cluster without one nobody but its brokers: they can be told from clients, unlike Kafka's without authentication. A
 * broker that is alone has nobody to be mistaken for.
 */
export function mayActAsBroker(
  services: Pick<Services, 'authorizer' | 'isAlone'>,
  context: RequestContext,
): boolean {
  if (isBroker(context)) return true;
  if (services.authorizer === allowAll) return services.isAlone;
  return authorize(services, context, { operation: 'CLUSTER_ACTION', resource: 'CLUSTER' });
}
