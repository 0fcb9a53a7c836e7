/** Images of clusters in a few words, and decisions as plain values, for tests of the controller's decisions. */
import { ZERO_UUID } from '../src/base/uuid.ts';
import type { KeyValue } from '../src/base/ports.ts';
import { ClusterImage, type PartitionImage } from '../src/metadata/image.ts';
import {
  brokerKey,
  CLUSTER_KEY,
  configsKey,
  CONTROLLER_KEY,
  FEATURES_KEY,
  nodeKey,
  parseKey,
  partitionKey,
  PRODUCER_IDS_KEY,
  topicKey,
  type ConfigResourceType,
} from '../src/metadata/keys.ts';
import type { Decision } from '../src/metadata/outcome.ts';
import {
  BrokerRecord,
  ClusterRecord,
  ConfigsRecord,
  ControllerRecord,
  decodeRecord,
  encodeRecord,
  FeaturesRecord,
  InterBrokerSecretRecord,
  NodeRecord,
  PartitionRecord,
  ProducerIdsRecord,
  ScramUserRecord,
  TopicRecord,
} from '../src/metadata/records.ts';

/** Of which a broker itself takes one for a partition. */
const DIRECTORIES = ['directory one ###', 'directory two ###'].map((id) => id.slice(0, 16));

export interface ClusterSketch {
  /** Brokers that are alive; those in `racks` have one. */
  readonly alive?: readonly number[];
  readonly fenced?: readonly number[];
  readonly racks?: Readonly<Record<number, string>>;
  /** Of brokers that have others than two. */
  readonly directories?: Readonly<Record<number, readonly string[]>>;
  /** Replicas of each partition, by topic; every replica on a broker that is alive is in sync. */
  readonly topics?: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** Partitions that have changed since, by `topic-partition`. */
  readonly changed?: Readonly<Record<string, Partial<PartitionImage>>>;
  readonly configs?: readonly (readonly [ConfigResourceType, string, Readonly<Record<string, string>>])[];
  readonly features?: Readonly<Record<string, number>>;
  readonly nextProducerId?: number;
}

/** The id of a sketch's topic. */
export function idOf(topic: string): string {
  return topic.padEnd(16, '#').slice(0, 16);
}

/** The image of a sketch; key n of it was made at revision n + 1. */
export function clusterImage(sketch: ClusterSketch): ClusterImage {
  const values: [string, Buffer][] = [
    [CLUSTER_KEY, encodeRecord(ClusterRecord, { clusterId: 'cluster' })],
    [CONTROLLER_KEY, encodeRecord(ControllerRecord, { nodeId: 1 })],
  ];
  const { alive = [1], fenced = [], racks = {}, topics = {}, changed = {}, configs = [] } = sketch;
  const { directories = {} } = sketch;
  for (const id of [...alive, ...fenced]) {
    const endpoints = [
      { listener: 'PLAINTEXT', host: `host${id}`, port: 9_000 + id, securityProtocol: 'PLAINTEXT' },
    ];
    values.push([
      nodeKey(id),
      encodeRecord(NodeRecord, {
        rack: racks[id] ?? null,
        endpoints,
        directories: directories[id] ?? DIRECTORIES,
      }),
    ]);
  }
  for (const id of alive)
    values.push([brokerKey(id), encodeRecord(BrokerRecord, { incarnationId: ZERO_UUID })]);
  for (const [name, partitions] of Object.entries(topics)) {
    const record = partitions.map((replicas) => ({
      replicas,
      isr: replicas.filter((id) => alive.includes(id)),
      directories: [],
    }));
    values.push([topicKey(name), encodeRecord(TopicRecord, { topicId: idOf(name), partitions: record })]);
  }
  for (const [at, update] of Object.entries(changed)) {
    const dash = at.lastIndexOf('-');
    const [name, partition] = [at.slice(0, dash), Number(at.slice(dash + 1))];
    const replicas = topics[name][partition];
    const value = encodeRecord(PartitionRecord, { ...UNCHANGED, replicas, isr: replicas, ...update });
    values.push([partitionKey(idOf(name), partition), value]);
  }
  for (const [type, name, texts] of configs) {
    const entries = Object.entries(texts).map(([config, value]) => ({ name: config, value }));
    values.push([configsKey(type, name), encodeRecord(ConfigsRecord, { entries })]);
  }
  if (sketch.features !== undefined) {
    const levels = Object.entries(sketch.features).map(([name, level]) => ({ name, level }));
    values.push([FEATURES_KEY, encodeRecord(FeaturesRecord, { levels })]);
  }
  if (sketch.nextProducerId !== undefined) {
    const { nextProducerId } = sketch;
    values.push([PRODUCER_IDS_KEY, encodeRecord(ProducerIdsRecord, { nextProducerId })]);
  }
  const entries = values.map(([key, value], n): KeyValue => {
    return { key, value, createRevision: n + 1, modRevision: n + 1 };
  });
  const image = new ClusterImage();
  image.reset({ revision: entries.length, entries });
  return image;
}

const UNCHANGED = {
  elr: [],
  lastKnownElr: [],
  addingReplicas: [],
  removingReplicas: [],
  directories: [],
  leader: -1,
  leaderEpoch: 0,
  partitionEpoch: 0,
  isLeaderRecovering: false,
};

/** Operations by key: the decoded value, or undefined for a removal. */
export function effects(decision: Decision<unknown>): Record<string, unknown> {
  return Object.fromEntries(
    decision.operations.map((operation) => [
      operation.key,
      operation.type === 'delete' ? undefined : decoded(operation.key, operation.value),
    ]),
  );
}

const RECORDS = {
  cluster: ClusterRecord,
  controller: ControllerRecord,
  features: FeaturesRecord,
  'producer-ids': ProducerIdsRecord,
  'inter-broker-secret': InterBrokerSecretRecord,
  node: NodeRecord,
  broker: BrokerRecord,
  topic: TopicRecord,
  partition: PartitionRecord,
  configs: ConfigsRecord,
  'scram-user': ScramUserRecord,
} as const;

function decoded(key: string, value: Buffer): unknown {
  const kind = parseKey(key)?.kind;
  if (kind === undefined) throw new Error(`no such key as ${key}`);
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  return decodeRecord<any, any>(RECORDS[kind], value);
}

/** The image after the decision, as if the store had applied it. */
export function after(image: ClusterImage, decision: Decision<unknown>): ClusterImage {
  const revision = image.revision + 1;
  const events = decision.operations.map((operation) => {
    const { key } = operation;
    const value = operation.type === 'put' ? operation.value : undefined;
    const createRevision = image.keyRevisions(key).createRevision || revision;
    return { key, value, createRevision, modRevision: revision };
  });
  image.apply(revision, events);
  return image;
}
