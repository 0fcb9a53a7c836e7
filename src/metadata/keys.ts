/**
 * The key space of the metadata store.
 *
 *     cluster                    who we are: the cluster id
 *     controller                 which broker decides (session); create revision = controller epoch
 *     nodes/<id>                 what a broker last said about itself
 *     brokers/<id>               the broker is alive (session); create revision = broker epoch
 *     topics/<name>              topic id and partitions as created
 *     partitions/<topicId>/<n>   a partition's state since it first changed; <topicId> as people see it
 *     configs/<type>/<name>      dynamic configurations; the name may be empty and may hold any character
 *     features                   finalized feature levels
 *     producer-ids               the next free producer id
 *     scram-users/<name>         what is kept of a user's passwords; the name may hold any character
 *     inter-broker-secret        what only brokers know: they show it to each other (security/broker-identity.ts)
 *
 * Partitions have keys of their own only once they differ from the topic's, so a topic of any size is created with one
 * put, and a leader that changes an in-sync set competes with nobody else for the key.
 */
import { parseUuid, printUuid } from '../base/uuid.ts';

export const CLUSTER_KEY = 'cluster';
export const CONTROLLER_KEY = 'controller';
export const FEATURES_KEY = 'features';
export const PRODUCER_IDS_KEY = 'producer-ids';
export const INTER_BROKER_SECRET_KEY = 'inter-broker-secret';

/** Resources that have dynamic configurations, by the names of Kafka's ConfigResource.Type. */
export type ConfigResourceType = 'TOPIC' | 'BROKER' | 'CLIENT_METRICS' | 'GROUP';

export const nodeKey = (nodeId: number): string => `nodes/${nodeId}`;
export const brokerKey = (nodeId: number): string => `brokers/${nodeId}`;
export const topicKey = (name: string): string => `topics/${name}`;
export const partitionsPrefix = (topicId: string): string => `partitions/${printUuid(topicId)}/`;
export const partitionKey = (topicId: string, partition: number): string =>
  `${partitionsPrefix(topicId)}${partition}`;
export const scramUserKey = (name: string): string => `scram-users/${name}`;
export const configsKey = (type: ConfigResourceType, name: string): string => `configs/${type}/${name}`;

/** What a key stands for. */
export type ParsedKey =
  | { readonly kind: 'cluster' | 'controller' | 'features' | 'producer-ids' | 'inter-broker-secret' }
  | { readonly kind: 'node' | 'broker'; readonly nodeId: number }
  | { readonly kind: 'topic' | 'scram-user'; readonly name: string }
  | { readonly kind: 'partition'; readonly topicId: string; readonly partition: number }
  | { readonly kind: 'configs'; readonly type: ConfigResourceType; readonly name: string };

const CONFIGS_KEY = /^configs\/(TOPIC|BROKER|CLIENT_METRICS|GROUP)\/(.*)$/s;
const PARTITION_KEY = /^partitions\/([A-Za-z0-9_-]{22})\/(\d{1,10})$/;

/** Undefined: a key of a release to come, or of another part of Headrace. */
export function parseKey(key: string): ParsedKey | undefined {
  switch (key) {
    case CLUSTER_KEY:
    case CONTROLLER_KEY:
    case FEATURES_KEY:
    case PRODUCER_IDS_KEY:
    case INTER_BROKER_SECRET_KEY:
      return { kind: key };
  }
  const slash = key.indexOf('/');
  const rest = key.slice(slash + 1);
  switch (key.slice(0, slash)) {
    case 'nodes':
      return /^\d{1,10}$/.test(rest) ? { kind: 'node', nodeId: Number(rest) } : undefined;
    case 'brokers':
      return /^\d{1,10}$/.test(rest) ? { kind: 'broker', nodeId: Number(rest) } : undefined;
    case 'topics':
      return { kind: 'topic', name: rest };
    case 'scram-users':
      return { kind: 'scram-user', name: rest };
    case 'partitions': {
      const match = PARTITION_KEY.exec(key);
      const topicId = match === null ? undefined : parseUuid(match[1]);
      if (topicId === undefined) return undefined;
      return { kind: 'partition', topicId, partition: Number(match![2]) };
    }
    case 'configs': {
      const match = CONFIGS_KEY.exec(key);
      if (match === null) return undefined;
      return { kind: 'configs', type: match[1] as ConfigResourceType, name: match[2] };
    }
    default:
      return undefined;
  }
}
