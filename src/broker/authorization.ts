/**
 * What each API asks the authorizer, one row for every API that a broker's listener knows (Kafka's protocol guide,
 * "Operations and Resources on Protocols"). Handlers ask through `authorize`; a test fails when an API has no row.
 */
import {
  CLUSTER_RESOURCE,
  Operations,
  Resources,
  type Operation,
  type ResourceType,
} from '../security/authorizer.ts';
import { isBroker, type RequestContext } from './context.ts';
import type { Services } from './services.ts';

export interface Requirement {
  readonly operation: keyof typeof Operations;
  readonly resource: keyof typeof Resources;
  /** When the row does not hold for every request of the API. */
  readonly when?: string;
}

const needs = (
  operation: keyof typeof Operations,
  resource: keyof typeof Resources,
  when?: string,
): Requirement => (when === undefined ? { operation, resource } : { operation, resource, when });

const CLUSTER_ACTION = [needs('CLUSTER_ACTION', 'CLUSTER')];
const DESCRIBE_CLUSTER = [needs('DESCRIBE', 'CLUSTER')];
const ALTER_CLUSTER = [needs('ALTER', 'CLUSTER')];
const READ_GROUP = [needs('READ', 'GROUP')];
const DESCRIBE_GROUP = [needs('DESCRIBE', 'GROUP')];
const NOTHING: readonly Requirement[] = [];

/** By API key. An empty row: everybody who is connected may ask. */
export const AUTHORIZATION: Readonly<Record<number, readonly Requirement[]>> = {
  0: [needs('WRITE', 'TOPIC'), needs('WRITE', 'TRANSACTIONAL_ID', 'the batches are transactional')],
  1: [needs('READ', 'TOPIC'), needs('CLUSTER_ACTION', 'CLUSTER', 'from a follower')],
  2: [needs('DESCRIBE', 'TOPIC')],
  3: [
    needs('DESCRIBE', 'TOPIC'),
    needs('CREATE', 'CLUSTER', 'a topic is made on the way'),
    needs('CREATE', 'TOPIC', 'a topic is made on the way, and CREATE on the cluster is denied'),
    needs('DESCRIBE', 'CLUSTER', 'the authorized operations of the cluster are asked for'),
  ],
  8: [needs('READ', 'GROUP'), needs('READ', 'TOPIC')],
  9: [needs('DESCRIBE', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  10: [
    needs('DESCRIBE', 'GROUP', 'of a group'),
    needs('DESCRIBE', 'TRANSACTIONAL_ID', 'of a transaction'),
    needs('CLUSTER_ACTION', 'CLUSTER', 'of a share group partition'),
  ],
  11: READ_GROUP,
  12: READ_GROUP,
  13: READ_GROUP,
  14: READ_GROUP,
  15: DESCRIBE_GROUP,
  16: [
    needs('DESCRIBE', 'CLUSTER'),
    needs('DESCRIBE', 'GROUP', 'for each group, where the cluster is denied'),
  ],
  17: NOTHING,
  18: NOTHING,
  19: [
    needs('CREATE', 'CLUSTER'),
    needs('CREATE', 'TOPIC', 'where the cluster is denied'),
    needs('DESCRIBE_CONFIGS', 'TOPIC', 'to see the configuration in the answer'),
  ],
  20: [needs('DELETE', 'TOPIC'), needs('DESCRIBE', 'TOPIC', 'to see its name, by id')],
  21: [needs('DELETE', 'TOPIC')],
  22: [
    needs('WRITE', 'TRANSACTIONAL_ID', 'with a transactional id'),
    needs('IDEMPOTENT_WRITE', 'CLUSTER', 'without one'),
    needs('WRITE', 'TOPIC', 'without one, on any topic, where the cluster is denied'),
  ],
  23: [needs('DESCRIBE', 'TOPIC'), needs('CLUSTER_ACTION', 'CLUSTER', 'from a follower')],
  24: [
    needs('WRITE', 'TRANSACTIONAL_ID'),
    needs('WRITE', 'TOPIC'),
    needs('CLUSTER_ACTION', 'CLUSTER', 'version 4 and later'),
  ],
  25: [needs('WRITE', 'TRANSACTIONAL_ID'), needs('READ', 'GROUP')],
  26: [needs('WRITE', 'TRANSACTIONAL_ID')],
  27: [
    needs('ALTER', 'CLUSTER', 'transactions are aborted'),
    needs('CLUSTER_ACTION', 'CLUSTER', 'one is committed, or where ALTER is denied'),
  ],
  28: [needs('WRITE', 'TRANSACTIONAL_ID'), needs('READ', 'GROUP'), needs('READ', 'TOPIC')],
  29: DESCRIBE_CLUSTER,
  30: ALTER_CLUSTER,
  31: ALTER_CLUSTER,
  32: [
    needs('DESCRIBE_CONFIGS', 'CLUSTER', 'of brokers and client metrics'),
    needs('DESCRIBE_CONFIGS', 'TOPIC', 'of topics'),
    needs('DESCRIBE_CONFIGS', 'GROUP', 'of groups'),
  ],
  33: [
    needs('ALTER_CONFIGS', 'CLUSTER', 'of brokers and client metrics'),
    needs('ALTER_CONFIGS', 'TOPIC', 'of topics'),
    needs('ALTER_CONFIGS', 'GROUP', 'of groups'),
  ],
  34: ALTER_CLUSTER,
  35: DESCRIBE_CLUSTER,
  36: NOTHING,
  37: [needs('ALTER', 'TOPIC')],
  38: [needs('CREATE_TOKENS', 'USER', 'for another owner')],
  39: NOTHING,
  40: NOTHING,
  41: [
    needs('DESCRIBE', 'DELEGATION_TOKEN', "of others' tokens"),
    needs('DESCRIBE_TOKENS', 'USER', "of others' tokens, where the token is denied"),
  ],
  42: [needs('DELETE', 'GROUP')],
  43: ALTER_CLUSTER,
  44: [
    needs('ALTER_CONFIGS', 'CLUSTER', 'of brokers and client metrics'),
    needs('ALTER_CONFIGS', 'TOPIC', 'of topics'),
    needs('ALTER_CONFIGS', 'GROUP', 'of groups'),
  ],
  45: ALTER_CLUSTER,
  46: DESCRIBE_CLUSTER,
  47: [needs('DELETE', 'GROUP'), needs('READ', 'TOPIC')],
  48: [needs('DESCRIBE_CONFIGS', 'CLUSTER')],
  49: [needs('ALTER_CONFIGS', 'CLUSTER')],
  50: DESCRIBE_CLUSTER,
  51: ALTER_CLUSTER,
  55: DESCRIBE_CLUSTER,
  57: ALTER_CLUSTER,
  60: DESCRIBE_CLUSTER,
  61: [needs('READ', 'TOPIC')],
  64: ALTER_CLUSTER,
  65: [needs('DESCRIBE', 'TRANSACTIONAL_ID'), needs('DESCRIBE', 'TOPIC', 'to see its partitions')],
  66: [needs('DESCRIBE', 'TRANSACTIONAL_ID')],
  68: [needs('READ', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  69: [needs('DESCRIBE', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  71: NOTHING,
  72: NOTHING,
  74: [needs('DESCRIBE_CONFIGS', 'CLUSTER')],
  75: [needs('DESCRIBE', 'TOPIC')],
  76: [needs('READ', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  77: [needs('DESCRIBE', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  78: [needs('READ', 'GROUP'), needs('READ', 'TOPIC')],
  79: [needs('READ', 'GROUP'), needs('READ', 'TOPIC')],
  80: ALTER_CLUSTER,
  81: ALTER_CLUSTER,
  83: CLUSTER_ACTION,
  84: CLUSTER_ACTION,
  85: CLUSTER_ACTION,
  86: CLUSTER_ACTION,
  87: CLUSTER_ACTION,
  88: [
    needs('READ', 'GROUP'),
    needs('DESCRIBE', 'TOPIC'),
    needs('CREATE', 'CLUSTER', 'internal topics are made on the way'),
    needs('CREATE', 'TOPIC', 'internal topics are made on the way, and the cluster is denied'),
  ],
  89: [needs('DESCRIBE', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  90: [needs('DESCRIBE', 'GROUP'), needs('DESCRIBE', 'TOPIC')],
  91: [needs('READ', 'GROUP'), needs('READ', 'TOPIC')],
  92: [needs('DELETE', 'GROUP'), needs('READ', 'TOPIC')],
  93: READ_GROUP,
  94: ALTER_CLUSTER,
};

export interface AuthorizationRequest {
  readonly operation: keyof typeof Operations;
  readonly resource: keyof typeof Resources;
  /** Not needed for the cluster. */
  readonly name?: string;
}

/** Whether the principal of this request may do this. Brokers may, whatever the authorizer says. */
export function authorize(
  services: Pick<Services, 'authorizer'>,
  context: RequestContext,
  request: AuthorizationRequest,
): boolean {
  if (isBroker(context)) return true;
  const operation: Operation = Operations[request.operation];
  const resource: ResourceType = Resources[request.resource];
  const name = request.name ?? CLUSTER_RESOURCE;
  return services.authorizer.authorize(context.principal, context.clientHost, operation, resource, name);
}

/** Whether this topic may be read, written, described... */
export function mayTopic(
  services: Pick<Services, 'authorizer'>,
  context: RequestContext,
  operation: keyof typeof Operations,
  topic: string,
): boolean {
  return authorize(services, context, { operation, resource: 'TOPIC', name: topic });
}
