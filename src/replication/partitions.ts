/**
 * All partitions that this broker holds a replica of. They follow the cluster's image: what is created, deleted, led by
 * another or configured differently there becomes so here. High watermarks are written down from time to time, so that a
 * follower knows after a restart from where it may have to truncate.
 */
import type { Clock, Logger, Timer, Timers } from '../base/ports.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import type { Log } from '../log/log.ts';
import type { LogDirectories } from '../log/log-directories.ts';
import type { ClusterImage, ImageChange, PartitionImage, TopicImage } from '../metadata/image.ts';
import type { TopicSettings } from '../metadata/configs/topic-settings.ts';
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { Partition } from './partition.ts';
import { throttledPartitions } from './replication-quota.ts';

/**
 * Called when this broker begins or ceases to lead a partition, and on a new epoch of its own. Leading takes a log: what a
 * directory that has failed holds cannot be known, least of all that it is empty.
 */
export interface LeadershipListener {
  onElected(partition: Partition): void;
  onResigned(partition: Partition): void;
}

/** Called for each replica here: when it comes, when the cluster changes it, and when it is no longer to be had. */
export interface ReplicaListener {
  onReplica(partition: Partition): void;
  onReplicaGone(partition: Partition): void;
}

export class Partitions {
  /** Called when a follower of a partition that is led here has fetched. */
  onFollowerProgress: Partition['onFollowerProgress'] = () => {};
  /** Called when replicas that were here cannot be had any more: others must not count on them. */
  onLoss: () => void = () => {};
  readonly #nodeId: number;
  readonly #image: ClusterImage;
  readonly #logDirectories: LogDirectories;
  readonly #settingsOf: (topic: string) => TopicSettings;
  readonly #ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
  readonly #checkpointIntervalMs: number;
  readonly #byName = new Map<string, (Partition | undefined)[]>();
  readonly #byId = new Map<string, (Partition | undefined)[]>();
  readonly #listeners: LeadershipListener[] = [];
  readonly #replicaListeners: ReplicaListener[] = [];
  #checkpointTimer: Timer | undefined;
  #isStopped = false;
  #isStarting = true;
  #watermarks: ReadonlyMap<string, number> = new Map();

  constructor(options: {
    readonly nodeId: number;
    readonly image: ClusterImage;
    readonly logDirectories: LogDirectories;
    /** With the broker's defaults. */
    readonly settingsOf: (topic: string) => TopicSettings;
    readonly ports: { readonly clock: Clock; readonly timers: Timers; readonly logger: Logger };
    /** Kafka's replica.high.watermark.checkpoint.interval.ms. */
    readonly checkpointIntervalMs: number;
  }) {
    this.#nodeId = options.nodeId;
    this.#image = options.image;
    this.#logDirectories = options.logDirectories;
    this.#settingsOf = options.settingsOf;
    this.#ports = options.ports;
    this.#checkpointIntervalMs = options.checkpointIntervalMs;
  }

  /** Opens what the image holds and follows it from there. */
  start(): void {
    this.#watermarks = this.#logDirectories.readHighWatermarks();
    this.#removeStrays();
    for (const topic of this.#image.topics.values()) this.#create(topic);
    this.#isStarting = false;
    this.#watermarks = new Map();
    this.#image.onChange((change) => this.#follow(change));
    this.#logDirectories.onDirectoryFailure = (path, error) => this.#onDirectoryFailure(path, error);
    this.#logDirectories.onDamage = (of) => this.#onDamage(of);
    this.#logDirectories.onMoved = (log) => this.get(log.topic, log.partition)?.moveTo(log);
    this.#armCheckpoint();
  }

  /** Writes the watermarks down and follows nothing any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#checkpointTimer?.cancel();
    await this.checkpoint();
  }

  get(topic: string, partition: number): Partition | undefined {
    return this.#byName.get(topic)?.[partition];
  }

  byId(topicId: string, partition: number): Partition | undefined {
    return this.#byId.get(topicId)?.[partition];
  }

  *all(): Iterable<Partition> {
    for (const list of this.#byName.values()) for (const partition of list) if (partition) yield partition;
  }

  /** Also tells the listener at once of the partitions that are led already. */
  onLeadership(listener: LeadershipListener): void {
    this.#listeners.push(listener);
    for (const partition of this.all()) if (isServed(partition)) listener.onElected(partition);
  }

  /** Also tells the listener at once of all that are here. */
  onReplicas(listener: ReplicaListener): void {
    this.#replicaListeners.push(listener);
    for (const partition of this.all()) listener.onReplica(partition);
  }

  async checkpoint(): Promise<void> {
    const watermarks = new Map<string, number>();
    for (const partition of this.all()) {
      if (partition.log === undefined) continue;
      watermarks.set(`${partition.topic}-${partition.partition}`, partition.highWatermark);
    }
    try {
      await this.#logDirectories.checkpointHighWatermarks(watermarks);
    } catch (error) {
      this.#ports.logger.warn({ error }, 'high watermarks could not be written down');
    }
  }

  #armCheckpoint(): void {
    this.#checkpointTimer = this.#ports.timers.after(this.#checkpointIntervalMs, () => {
      void this.checkpoint();
      this.#openMissing();
      this.#armCheckpoint();
    });
  }

  #follow(change: ImageChange): void {
    if (this.#isStopped) return;
    for (const topic of change.topicsDeleted) this.#delete(topic);
    for (const topic of change.topicsCreated) this.#create(topic);
    for (const { topic, partition } of change.partitionsChanged) {
      const topicImage = this.#image.topics.get(topic);
      const state = topicImage?.partitions[partition];
      if (topicImage === undefined || state === undefined) continue;
      const held = this.get(topic, partition);
      if (held === undefined) this.#createPartition(topicImage, state);
      else if (!state.replicas.includes(this.#nodeId)) this.#remove(held, Errors.NOT_LEADER_OR_FOLLOWER);
      else if (held.log === undefined && this.#setsAside(topic, state)) {
        this.#drop(held, Errors.KAFKA_STORAGE_ERROR);
        this.#createPartition(topicImage, state);
      } else this.#apply(held, state);
    }
    this.#configure(change);
  }

  #onDirectoryFailure(path: string, error: Error): void {
    this.#ports.logger.error({ path, error }, 'log directory failed: its partitions are offline');
    for (const partition of this.all()) {
      if (partition.log?.directory === path) this.#fail(partition);
    }
    this.onLoss();
  }

  #onDamage({ topic, partition }: { readonly topic: string; readonly partition: number }): void {
    const held = this.get(topic, partition);
    if (held === undefined) return;
    this.#fail(held);
    const image = this.#image.topics.get(topic);
    const state = image?.partitions[partition];
    if (image !== undefined && state !== undefined && this.#setsAside(topic, state)) {
      this.#drop(held, Errors.KAFKA_STORAGE_ERROR);
      this.#createPartition(image, state);
    } else this.onLoss();
  }

  #fail(partition: Partition): void {
    const led = isServed(partition);
    partition.fail();
    if (led) for (const listener of this.#listeners) listener.onResigned(partition);
    for (const listener of this.#replicaListeners) listener.onReplicaGone(partition);
  }

  #configure(change: ImageChange): void {
    const topics = new Set<string>();
    for (const { type, name } of change.configsChanged) {
      if (type === 'TOPIC') topics.add(name);
      else if (type === 'BROKER') for (const topic of this.#byName.keys()) topics.add(topic);
    }
    for (const topic of topics) {
      const list = this.#byName.get(topic);
      if (list === undefined) continue;
      const settings = this.#settingsOf(topic);
      const throttle = this.#throttleOf(settings);
      for (const partition of list) {
        if (partition === undefined) continue;
        partition.log?.configure(settings);
        partition.minInsyncReplicas = settings.minInsyncReplicas;
        throttle(partition);
      }
    }
  }

  #throttleOf(settings: TopicSettings): (partition: Partition) => void {
    const asLeader = throttledPartitions(settings.leaderThrottledReplicas, this.#nodeId);
    const asFollower = throttledPartitions(settings.followerThrottledReplicas, this.#nodeId);
    return (partition) => {
      partition.isThrottledAsLeader = asLeader(partition.partition);
      partition.isThrottledAsFollower = asFollower(partition.partition);
    };
  }

  #apply(partition: Partition, state: PartitionImage): void {
    const led = isServed(partition);
    const epoch = partition.leaderEpoch;
    partition.apply(state);
    this.#tell(partition, led, epoch);
  }

  #tell(partition: Partition, led: boolean, epoch: number): void {
    const leads = isServed(partition);
    if (led && !leads) for (const listener of this.#listeners) listener.onResigned(partition);
    if (leads && (!led || partition.leaderEpoch !== epoch)) {
      for (const listener of this.#listeners) listener.onElected(partition);
    }
    for (const listener of this.#replicaListeners) listener.onReplica(partition);
  }

  /**
   * A replica whose files are damaged begins anew with none, once nobody counts on it any more and another one leads: it is
   * neither in sync nor eligible, so what is left in the files is not needed. They are kept aside for people to look at.
   */
  #setsAside(topic: string, { partition, leader, isr, elr }: PartitionImage): boolean {
    if (leader < 0 || leader === this.#nodeId) return false;
    if (isr.includes(this.#nodeId) || elr.includes(this.#nodeId)) return false;
    return this.#logDirectories.setAside({ topic, partition });
  }

  #create(topic: TopicImage): void {
    for (const state of topic.partitions) this.#createPartition(topic, state);
  }

  #createPartition(topic: TopicImage, state: PartitionImage): Partition | undefined {
    if (!state.replicas.includes(this.#nodeId)) return undefined;
    const settings = this.#settingsOf(topic.name);
    this.#setsAside(topic.name, state);
    const held = new Partition({
      topic: topic.name,
      topicId: topic.id,
      partition: state.partition,
      nodeId: this.#nodeId,
      log: this.#openLog(topic, state.partition, settings),
      state,
      monotonicMs: () => this.#ports.clock.monotonicMs(),
      minInsyncReplicas: settings.minInsyncReplicas,
      ...this.#watermarkOf(topic.name, state.partition),
    });
    this.#throttleOf(settings)(held);
    held.onFollowerProgress = (partition, follower) => this.onFollowerProgress(partition, follower);
    put(this.#byName, topic.name, held);
    put(this.#byId, topic.id, held);
    this.#tell(held, false, -1);
    return held;
  }

  #watermarkOf(topic: string, partition: number): { highWatermark: number } | undefined {
    const highWatermark = this.#watermarks.get(`${topic}-${partition}`);
    return highWatermark === undefined ? undefined : { highWatermark };
  }

  /** Undefined: no directory can take it; the partition is there and answers KAFKA_STORAGE_ERROR. */
  #openLog(topic: TopicImage, partition: number, settings: TopicSettings): Log | undefined {
    try {
      const { name, id } = topic;
      this.#mustNotHide(name, partition);
      const log = this.#logDirectories.create({ topic: name, partition, topicId: id, settings });
      log.configure(settings);
      return log;
    } catch (error) {
      this.#ports.logger.error({ error, topic: topic.name, partition }, 'partition has no log');
      return undefined;
    }
  }

  /** Partitions whose logs could not be made when they were to be, on a full disk: there may be room now. */
  #openMissing(): void {
    if (this.#isStopped || this.#logDirectories.directories().some(({ isOnline }) => !isOnline)) return;
    for (const held of this.all()) {
      const { topic, partition } = held;
      if (held.log !== undefined || this.#logDirectories.offlineReason(topic, partition) !== undefined)
        continue;
      const image = this.#image.topics.get(topic);
      const state = image?.partitions[partition];
      if (image === undefined || state === undefined) continue;
      this.#drop(held, Errors.KAFKA_STORAGE_ERROR);
      if (this.#createPartition(image, state)?.log === undefined) return;
    }
  }

  /**
   * At the start a replica that no directory shows may be in one that has failed: an empty log made elsewhere would take
   * its place, and its offsets would be given out again. So it is offline until that directory is back (KIP-858).
   */
  #mustNotHide(topic: string, partition: number): void {
    if (!this.#isStarting || this.#logDirectories.get({ topic, partition }) !== undefined) return;
    const failed = this.#logDirectories.directories().find(({ isOnline }) => !isOnline);
    if (failed !== undefined)
      throw new Error(`${topic}-${partition} may be in ${failed.path}, which has failed`);
  }

  #delete(topic: TopicImage): void {
    for (const partition of this.#byId.get(topic.id) ?? []) {
      if (partition !== undefined) this.#remove(partition, Errors.UNKNOWN_TOPIC_OR_PARTITION);
    }
    this.#byId.delete(topic.id);
    // A topic of that name may have been made again in the same revision.
    if (this.#byName.get(topic.name)?.every((held) => held === undefined) === true) {
      this.#byName.delete(topic.name);
    }
  }

  /** The topic is gone, or its replicas are elsewhere now. */
  #remove(partition: Partition, errorCode: ErrorCode): void {
    const { topic, partition: index } = partition;
    this.#drop(partition, errorCode);
    try {
      this.#logDirectories.remove({ topic, partition: index });
    } catch (error) {
      this.#ports.logger.error(
        { error, topic, partition: index },
        'a log that is not ours any more is still there',
      );
    }
  }

  #drop(partition: Partition, errorCode: ErrorCode): void {
    const led = isServed(partition);
    partition.delete(errorCode);
    if (led) for (const listener of this.#listeners) listener.onResigned(partition);
    for (const listener of this.#replicaListeners) listener.onReplicaGone(partition);
    take(this.#byId.get(partition.topicId), partition);
    take(this.#byName.get(partition.topic), partition);
  }

  /** Logs of topics that were deleted while this broker was away. The directories' cluster id has been checked before. */
  #removeStrays(): void {
    for (const log of this.#logDirectories.logs()) {
      const { topic, partition } = log.topicPartition;
      const image = this.#image.topics.get(topic);
      // What no longer says whose it is is not taken for another's: it may be all there is of the partition.
      const isOfTopic = image !== undefined && (log.topicId === image.id || log.topicId === ZERO_UUID);
      const replicas = isOfTopic ? image.partitions[partition]?.replicas : undefined;
      if (replicas?.includes(this.#nodeId) === true) continue;
      this.#ports.logger.warn({ topic, partition }, 'log of a partition that is no longer ours: removed');
      this.#logDirectories.remove(log.topicPartition);
    }
  }
}

function isServed(partition: Partition): boolean {
  return partition.isLeader && partition.log !== undefined;
}

function put(map: Map<string, (Partition | undefined)[]>, key: string, partition: Partition): void {
  let list = map.get(key);
  if (list === undefined) map.set(key, (list = []));
  list[partition.partition] = partition;
}

function take(list: (Partition | undefined)[] | undefined, partition: Partition): void {
  if (list?.[partition.partition] === partition) list[partition.partition] = undefined;
}
