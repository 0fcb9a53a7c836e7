/**
 * The cluster as this broker sees it: brokers, topics, partitions, configurations, features. It is a live view: only
 * `apply` (fed by the store's watch) and `reset` (a fresh range) change it, one whole revision at a time, and every
 * look-up is O(1). Nobody writes here to make something so; that is the controller's business, and comes back as events.
 */
import type { RangeResult, WatchEvent } from '../base/ports.ts';
import { KafkaError, Errors } from '../protocol/errors.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { parseKey, type ConfigResourceType, type ParsedKey } from './keys.ts';
import {
  BrokerRecord,
  ClusterRecord,
  ConfigsRecord,
  ControllerRecord,
  decodeRecord,
  FeaturesRecord,
  InterBrokerSecretRecord,
  NodeRecord,
  PartitionRecord,
  ProducerIdsRecord,
  ScramUserRecord,
  TopicRecord,
} from './records.ts';
import { canCollide, collisionName, isInternalTopic } from './topic-names.ts';

export interface Endpoint {
  readonly listener: string;
  readonly host: string;
  readonly port: number;
  readonly securityProtocol: string;
}

export interface BrokerImage {
  readonly id: number;
  /** The create revision of the broker's live key; -1 while fenced. */
  readonly epoch: number;
  /** Of the process that is alive; ZERO_UUID while fenced. */
  readonly incarnationId: string;
  readonly rack: string | null;
  readonly endpoints: readonly Endpoint[];
  /** Registered, but not alive. */
  readonly fenced: boolean;
  /** Alive, but about to stop: it leads nothing any more, nor is it in sync. */
  readonly isStopping: boolean;
  /** Ids of the log directories that are online. */
  readonly directories: readonly string[];
}

export interface PartitionImage {
  readonly partition: number;
  /** The first is the preferred leader. */
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** -1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  /** Replicas that hold all committed records though they left the in-sync set (KIP-966). */
  readonly elr: readonly number[];
  readonly lastKnownElr: readonly number[];
  readonly addingReplicas: readonly number[];
  readonly removingReplicas: readonly number[];
  /** Where each replica's log is, in the order of `replicas`; ZERO_UUID: not said yet. */
  readonly directories: readonly string[];
  readonly isLeaderRecovering: boolean;
}

export interface TopicImage {
  readonly name: string;
  readonly id: string;
  readonly isInternal: boolean;
  /** Position n holds partition n. */
  readonly partitions: readonly PartitionImage[];
}

export interface Features {
  /** metadata.version. */
  readonly metadataVersion: number;
  /** Every feature with a finalized level, metadata.version included. */
  readonly finalized: ReadonlyMap<string, number>;
  /** The revision of the last change; -1: nothing is finalized. */
  readonly epoch: number;
}

/** What one revision changed. A partition of a created or deleted topic is not listed by itself. */
export interface ImageChange {
  readonly revision: number;
  readonly topicsCreated: readonly TopicImage[];
  readonly topicsDeleted: readonly TopicImage[];
  readonly partitionsChanged: readonly { readonly topic: string; readonly partition: number }[];
  readonly configsChanged: readonly { readonly type: ConfigResourceType; readonly name: string }[];
  readonly brokersChanged: boolean;
  readonly featuresChanged: boolean;
  readonly controllerChanged: boolean;
}

/** What is kept of a user's password for one SCRAM mechanism. */
export type ScramCredentialImage = ScramUserRecord['credentials'][number];

type ImageListener = (change: ImageChange) => void;

interface MutableTopic extends TopicImage {
  readonly partitions: PartitionImage[];
  /** What the partitions are as long as they have no keys of their own. */
  initial: TopicRecord['partitions'];
}

interface Draft {
  /** A set, because each partition that comes with a new topic asks for it. */
  readonly topicsCreated: Set<TopicImage>;
  readonly topicsDeleted: TopicImage[];
  readonly partitionsChanged: { topic: string; partition: number }[];
  readonly configsChanged: { type: ConfigResourceType; name: string }[];
  brokersChanged: boolean;
  featuresChanged: boolean;
  controllerChanged: boolean;
}

interface Held {
  readonly createRevision: number;
  readonly modRevision: number;
}

/** Revisions that a request may wait for at the same time. */
export const WAITERS_MAX = 100_000;

const NO_LIFE = { epoch: -1, incarnationId: ZERO_UUID, isStopping: false };
const NO_CONFIGS: ReadonlyMap<string, string> = new Map();

export class ClusterImage {
  private currentRevision = 0;
  private currentClusterId = '';
  private currentControllerId = -1;
  private currentControllerEpoch = -1;
  private currentNextProducerId = 0;
  private currentInterBrokerSecret: Buffer | undefined;
  private currentFeatures: Features = { metadataVersion: 0, finalized: new Map(), epoch: -1 };
  private readonly nodes = new Map<number, NodeRecord>();
  /** What the live keys say. */
  private readonly lives = new Map<number, { readonly epoch: number } & BrokerRecord>();
  private readonly brokerMap = new Map<number, BrokerImage>();
  private readonly topicMap = new Map<string, MutableTopic>();
  private readonly topicsById = new Map<string, MutableTopic>();
  /** Existing topics by what their names look like in metrics. */
  private readonly collisions = new Map<string, Set<string>>();
  /** Partition values by topic id: kept apart because they may arrive before their topic does. */
  private readonly partitionRecords = new Map<string, Map<number, PartitionRecord>>();
  private readonly configMaps = new Map<ConfigResourceType, Map<string, ReadonlyMap<string, string>>>();
  private readonly scramUserMap = new Map<string, readonly ScramCredentialImage[]>();
  private readonly held = new Map<string, Held>();
  /** Replaced, never changed, so that a listener may come or go while others are called. */
  private listeners: readonly ImageListener[] = [];
  private readonly waiters: { revision: number; resolve: () => void }[] = [];
  private replicas = 0;

  /** The last revision that is in the image. */
  get revision(): number {
    return this.currentRevision;
  }
  /** 22 characters of base64url; empty before the cluster was made. */
  get clusterId(): string {
    return this.currentClusterId;
  }
  /** -1: nobody decides at the moment. */
  get controllerId(): number {
    return this.currentControllerId;
  }
  /** The create revision of the controller's claim; -1 while there is none. */
  get controllerEpoch(): number {
    return this.currentControllerEpoch;
  }
  /** The first producer id that was never handed out. */
  get nextProducerId(): number {
    return this.currentNextProducerId;
  }
  /** What only brokers know; undefined: it was not made yet. For nobody's eyes. */
  get interBrokerSecret(): Buffer | undefined {
    return this.currentInterBrokerSecret;
  }
  get features(): Features {
    return this.currentFeatures;
  }
  get brokers(): ReadonlyMap<number, BrokerImage> {
    return this.brokerMap;
  }
  get topics(): ReadonlyMap<string, TopicImage> {
    return this.topicMap;
  }
  /** Replicas of all partitions together. */
  get replicaCount(): number {
    return this.replicas;
  }

  topicById(id: string): TopicImage | undefined {
    return this.topicsById.get(id);
  }

  partition(topic: string, partition: number): PartitionImage | undefined {
    return this.topicMap.get(topic)?.partitions[partition];
  }

  /** An existing topic whose name means the same in metrics; undefined: none. */
  collidingTopic(name: string): string | undefined {
    if (!canCollide(name)) return undefined;
    for (const other of this.collisions.get(collisionName(name)) ?? []) if (other !== name) return other;
    return undefined;
  }

  /** The resource's own dynamic configurations; empty when it has none. */
  configs(type: ConfigResourceType, name: string): ReadonlyMap<string, string> {
    return this.configMaps.get(type)?.get(name) ?? NO_CONFIGS;
  }

  /** Names of the resources of a type that have dynamic configurations. */
  configuredNames(type: ConfigResourceType): string[] {
    return [...(this.configMaps.get(type)?.keys() ?? [])];
  }

  /** Users that have SCRAM credentials, by name. */
  get scramUsers(): ReadonlyMap<string, readonly ScramCredentialImage[]> {
    return this.scramUserMap;
  }

  /** For compares: the key's revisions, both 0 when it does not exist. */
  keyRevisions(key: string): Held {
    return this.held.get(key) ?? { createRevision: 0, modRevision: 0 };
  }

  /** Partitions of a topic, existing or not, that have keys of their own. */
  changedPartitions(topicId: string): number[] {
    return [...(this.partitionRecords.get(topicId)?.keys() ?? [])];
  }

  /** Ids of topics that are gone but whose partitions still have keys. */
  orphanedTopicIds(): string[] {
    return [...this.partitionRecords.keys()].filter((id) => !this.topicsById.has(id));
  }

  /** Called after each applied revision, in the order of registration, with the image already changed. */
  onChange(listener: ImageListener): () => void {
    this.listeners = [...this.listeners, listener];
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener);
    };
  }

  /** Resolves once the image holds `revision` and its listeners have run: whoever wrote it reads it from here on. */
  waitFor(revision: number): Promise<void> {
    if (revision <= this.currentRevision) return Promise.resolve();
    if (this.waiters.length >= WAITERS_MAX) {
      return Promise.reject(new KafkaError(Errors.REQUEST_TIMED_OUT, 'too many requests wait for metadata'));
    }
    return new Promise((resolve) => this.waiters.push({ revision, resolve }));
  }

  /** Applies one revision's events. A revision that is in the image already is ignored: watches may repeat. */
  apply(revision: number, events: readonly WatchEvent[]): void {
    if (revision <= this.currentRevision) return;
    this.advance(revision, events);
  }

  /** Makes the image what the range says, delivering the difference: for the start and after a lost watch. */
  reset(range: RangeResult): void {
    if (range.revision < this.currentRevision) return;
    const present = new Set(range.entries.map((entry) => entry.key));
    const events: WatchEvent[] = [];
    for (const key of this.held.keys()) {
      if (present.has(key)) continue;
      events.push({ key, value: undefined, createRevision: 0, modRevision: range.revision });
    }
    for (const entry of range.entries) {
      if (this.held.get(entry.key)?.modRevision !== entry.modRevision) events.push(entry);
    }
    this.advance(range.revision, events);
  }

  private advance(revision: number, events: readonly WatchEvent[]): void {
    const draft: Draft = {
      topicsCreated: new Set(),
      topicsDeleted: [],
      partitionsChanged: [],
      configsChanged: [],
      brokersChanged: false,
      featuresChanged: false,
      controllerChanged: false,
    };
    const partitions: [WatchEvent, ParsedKey & { kind: 'partition' }][] = [];
    for (const event of events) {
      if (event.value === undefined) this.held.delete(event.key);
      else this.held.set(event.key, { createRevision: event.createRevision, modRevision: event.modRevision });
      const key = parseKey(event.key);
      // Topics go first, so that a partition's value finds its topic whatever the order of the keys.
      if (key?.kind === 'partition') partitions.push([event, key]);
      else if (key !== undefined) this.applyEvent(event, key, draft);
    }
    for (const [event, key] of partitions) this.applyPartition(event, key, draft);
    this.currentRevision = revision;
    this.deliver({ ...draft, revision, topicsCreated: [...draft.topicsCreated] });
  }

  private applyEvent(event: WatchEvent, key: ParsedKey, draft: Draft): void {
    const { value } = event;
    switch (key.kind) {
      case 'cluster':
        this.currentClusterId = value === undefined ? '' : decodeRecord(ClusterRecord, value).clusterId;
        return;
      case 'controller':
        this.currentControllerId = value === undefined ? -1 : decodeRecord(ControllerRecord, value).nodeId;
        this.currentControllerEpoch = value === undefined ? -1 : event.createRevision;
        draft.controllerChanged = true;
        return;
      case 'node':
        if (value === undefined) this.nodes.delete(key.nodeId);
        else this.nodes.set(key.nodeId, decodeRecord(NodeRecord, value));
        this.refreshBroker(key.nodeId, draft);
        return;
      case 'broker':
        if (value === undefined) this.lives.delete(key.nodeId);
        else {
          const life = decodeRecord(BrokerRecord, value);
          this.lives.set(key.nodeId, { epoch: event.createRevision, ...life });
        }
        this.refreshBroker(key.nodeId, draft);
        return;
      case 'topic':
        this.applyTopic(key.name, value, draft);
        return;
      case 'configs':
        this.applyConfigs(key.type, key.name, value);
        draft.configsChanged.push({ type: key.type, name: key.name });
        return;
      case 'scram-user':
        if (value === undefined) this.scramUserMap.delete(key.name);
        else this.scramUserMap.set(key.name, scramCredentials(value));
        return;
      case 'features':
        this.applyFeatures(value, event.modRevision);
        draft.featuresChanged = true;
        return;
      case 'producer-ids':
        if (value !== undefined) {
          this.currentNextProducerId = decodeRecord(ProducerIdsRecord, value).nextProducerId;
        }
        return;
      case 'inter-broker-secret':
        // A copy: what a store hands over may be a view of something larger, or of something that is used again.
        this.currentInterBrokerSecret =
          value === undefined ? undefined : Buffer.from(decodeRecord(InterBrokerSecretRecord, value).secret);
    }
  }

  /** A broker exists once it said something about itself, and is alive while its session's key is there. */
  private refreshBroker(nodeId: number, draft: Draft): void {
    draft.brokersChanged = true;
    const node = this.nodes.get(nodeId);
    if (node === undefined) {
      this.brokerMap.delete(nodeId);
      return;
    }
    const { rack, endpoints, directories } = node;
    const life = this.lives.get(nodeId);
    const fenced = life === undefined;
    this.brokerMap.set(nodeId, { id: nodeId, ...(life ?? NO_LIFE), rack, endpoints, fenced, directories });
  }

  private applyTopic(name: string, value: Buffer | undefined, draft: Draft): void {
    const existing = this.topicMap.get(name);
    const record = value === undefined ? undefined : decodeRecord(TopicRecord, value);
    if (existing !== undefined && existing.id !== record?.topicId) this.dropTopic(existing, draft);
    if (record === undefined) return;
    const changes = this.partitionRecords.get(record.topicId);
    const build = (n: number): PartitionImage => {
      const changed = changes?.get(n);
      return changed === undefined ? initialPartition(n, record.partitions[n]) : partitionImage(n, changed);
    };
    const kept = this.topicMap.get(name);
    if (kept !== undefined) {
      kept.initial = record.partitions;
      for (let n = kept.partitions.length; n < record.partitions.length; n++) {
        kept.partitions.push(build(n));
        this.replicas += kept.partitions[n].replicas.length;
        draft.partitionsChanged.push({ topic: name, partition: n });
      }
      return;
    }
    const partitions = record.partitions.map((_, n) => build(n));
    const topic = {
      name,
      id: record.topicId,
      isInternal: isInternalTopic(name),
      partitions,
      initial: record.partitions,
    };
    for (const partition of partitions) this.replicas += partition.replicas.length;
    this.topicMap.set(name, topic);
    this.topicsById.set(topic.id, topic);
    if (canCollide(name)) {
      const unified = collisionName(name);
      this.collisions.set(unified, (this.collisions.get(unified) ?? new Set()).add(name));
    }
    draft.topicsCreated.add(topic);
  }

  private dropTopic(topic: MutableTopic, draft: Draft): void {
    this.topicMap.delete(topic.name);
    this.topicsById.delete(topic.id);
    for (const partition of topic.partitions) this.replicas -= partition.replicas.length;
    const unified = collisionName(topic.name);
    const others = this.collisions.get(unified);
    others?.delete(topic.name);
    if (others?.size === 0) this.collisions.delete(unified);
    draft.topicsDeleted.push(topic);
  }

  private applyPartition(event: WatchEvent, key: ParsedKey & { kind: 'partition' }, draft: Draft): void {
    let records = this.partitionRecords.get(key.topicId);
    const record = event.value === undefined ? undefined : decodeRecord(PartitionRecord, event.value);
    if (record === undefined) {
      records?.delete(key.partition);
      if (records?.size === 0) this.partitionRecords.delete(key.topicId);
    } else {
      if (records === undefined) this.partitionRecords.set(key.topicId, (records = new Map()));
      records.set(key.partition, record);
    }
    const topic = this.topicsById.get(key.topicId);
    const before = topic?.partitions[key.partition];
    if (topic === undefined || before === undefined) return;
    const next =
      record === undefined
        ? initialPartition(key.partition, topic.initial[key.partition])
        : partitionImage(key.partition, record);
    this.replicas += next.replicas.length - before.replicas.length;
    topic.partitions[key.partition] = next;
    if (!draft.topicsCreated.has(topic)) {
      draft.partitionsChanged.push({ topic: topic.name, partition: key.partition });
    }
  }

  private applyConfigs(type: ConfigResourceType, name: string, value: Buffer | undefined): void {
    let resources = this.configMaps.get(type);
    if (resources === undefined) this.configMaps.set(type, (resources = new Map()));
    if (value === undefined) {
      resources.delete(name);
      return;
    }
    const { entries } = decodeRecord(ConfigsRecord, value);
    resources.set(name, new Map(entries.map((entry) => [entry.name, entry.value])));
  }

  private applyFeatures(value: Buffer | undefined, revision: number): void {
    const levels = value === undefined ? [] : decodeRecord(FeaturesRecord, value).levels;
    const finalized = new Map(levels.map(({ name, level }) => [name, level]));
    const metadataVersion = finalized.get('metadata.version') ?? 0;
    this.currentFeatures = { metadataVersion, finalized, epoch: value === undefined ? -1 : revision };
  }

  private deliver(change: ImageChange): void {
    for (const listener of this.listeners) listener(change);
    if (this.waiters.length === 0) return;
    const ready = this.waiters.filter((waiter) => waiter.revision <= this.currentRevision);
    if (ready.length === 0) return;
    const later = this.waiters.filter((waiter) => waiter.revision > this.currentRevision);
    this.waiters.length = 0;
    this.waiters.push(...later);
    for (const waiter of ready) waiter.resolve();
  }
}

/** A partition that never changed: the first in-sync replica leads, at epoch 0. */
function initialPartition(partition: number, record: TopicRecord['partitions'][number]): PartitionImage {
  return {
    partition,
    replicas: record.replicas,
    isr: record.isr,
    leader: record.isr[0] ?? -1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    elr: [],
    lastKnownElr: [],
    addingReplicas: [],
    removingReplicas: [],
    directories: record.replicas.map((_, n) => record.directories[n] ?? ZERO_UUID),
    isLeaderRecovering: false,
  };
}

function partitionImage(partition: number, record: PartitionRecord): PartitionImage {
  return { partition, ...record };
}

/** Copies: what a store hands over may be a view of something larger, or of something that is used again. */
function scramCredentials(value: Buffer): ScramCredentialImage[] {
  return decodeRecord(ScramUserRecord, value).credentials.map(({ salt, storedKey, serverKey, ...rest }) => ({
    ...rest,
    salt: Buffer.from(salt),
    storedKey: Buffer.from(storedKey),
    serverKey: Buffer.from(serverKey),
  }));
}
