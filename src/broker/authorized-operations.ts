/** The bit fields in which Metadata, DescribeCluster and DescribeGroups tell what the asker may do (KIP-430). */
import { Operations, type Resources } from '../security/authorizer.ts';
import { authorize } from './authorization.ts';
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';

/** The answer when it was not asked for. */
export const OPERATIONS_NOT_ASKED = -2_147_483_648;

/** The operations that make sense for a resource, as Kafka's AclEntry has them. */
const SUPPORTED = {
  TOPIC: ['READ', 'WRITE', 'CREATE', 'DESCRIBE', 'DELETE', 'ALTER', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  GROUP: ['READ', 'DESCRIBE', 'DELETE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  CLUSTER: [
    'CREATE',
    'CLUSTER_ACTION',
    'DESCRIBE_CONFIGS',
    'ALTER_CONFIGS',
    'IDEMPOTENT_WRITE',
    'ALTER',
    'DESCRIBE',
  ],
} as const satisfies Partial<Record<keyof typeof Resources, readonly (keyof typeof Operations)[]>>;

/** Bit n stands for the operation with code n. `name` is not needed for the cluster. */
export function authorizedOperations(
  services: Pick<Services, 'authorizer'>,
  context: RequestContext,
  resource: keyof typeof SUPPORTED,
  name?: string,
): number {
  let bits = 0;
  for (const operation of SUPPORTED[resource]) {
    const request = name === undefined ? { operation, resource } : { operation, resource, name };
    if (authorize(services, context, request)) bits |= 1 << Operations[operation];
  }
  return bits;
}

/** The cluster's: 0 for those who may not even describe it. */
export function authorizedClusterOperations(
  services: Pick<Services, 'authorizer'>,
  context: RequestContext,
): number {
  if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'CLUSTER' })) return 0;
  return authorizedOperations(services, context, 'CLUSTER');
}
