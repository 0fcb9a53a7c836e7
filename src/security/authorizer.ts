/**
 * Who may do what. Principals, operations and resources are data, with the codes of Kafka's ACL APIs, so that a decision
 * can be written down, listed and tested without any connection.
 */

/** Kafka's AclOperation codes. */
export const Operations = {
  ALL: 2,
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  CREATE_TOKENS: 13,
  DESCRIBE_TOKENS: 14,
  TWO_PHASE_COMMIT: 15,
} as const;
export type Operation = (typeof Operations)[keyof typeof Operations];

/** Kafka's ResourceType codes. */
export const Resources = {
  TOPIC: 2,
  GROUP: 3,
  CLUSTER: 4,
  TRANSACTIONAL_ID: 5,
  DELEGATION_TOKEN: 6,
  USER: 7,
} as const;
export type ResourceType = (typeof Resources)[keyof typeof Resources];

/** The name of the one cluster resource. */
export const CLUSTER_RESOURCE = 'kafka-cluster';

export interface AuthorizedPrincipal {
  readonly type: string;
  readonly name: string;
}

export interface Authorizer {
  authorize(
    principal: AuthorizedPrincipal,
    host: string,
    operation: Operation,
    resourceType: ResourceType,
    resourceName: string,
  ): boolean;
}

/** Everybody may do everything: the broker without an authorizer, as Kafka's. */
export const allowAll: Authorizer = { authorize: () => true };
