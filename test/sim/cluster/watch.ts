/**
 * Looks at a whole cluster after each event: at every replica that a living broker holds, and at what the store holds. Only
 * where something has changed; what that is, the replicas and the store tell.
 */
import { ClusterImage, type PartitionImage } from '../../../src/metadata/image.ts';
import type { MemoryStoreServer } from '../../../src/metadata/memory-store.ts';
import { Partition } from '../../../src/replication/partition.ts';
import { PartitionLedger, Replica, type Report } from './ledger.ts';
import type { Machine } from './machine.ts';
import { Shadow } from './shadow.ts';

/** What the store held of a partition. */
type Before = Pick<
  PartitionImage,
  | 'leader'
  | 'leaderEpoch'
  | 'partitionEpoch'
  | 'isr'
  | 'elr'
  | 'lastKnownElr'
  | 'addingReplicas'
  | 'removingReplicas'
>;

export interface WatchOptions {
  readonly store: MemoryStoreServer;
  readonly machines: ReadonlyMap<number, Machine>;
  readonly report: Report;
  readonly isCompacted: (topic: string) => boolean;
  readonly mayElectUncleanly: (topic: string) => boolean;
}

export class ClusterWatch {
  /** What the store holds, without any delay. */
  readonly truth = new ClusterImage();
  readonly ledgers = new Map<string, PartitionLedger>();
  uncleanElections = 0;
  /** Of the last known leader, when nobody was eligible: it had to have everything all the same (KIP-966). */
  lastLeaderElections = 0;
  elections = 0;
  readonly #options: WatchOptions;
  readonly #dirty = new Set<string>();
  readonly #before = new Map<string, Before>();
  readonly #applyOfPartition = Partition.prototype.apply;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { store } = options;
    this.truth.onChange((change) => {
      for (const topic of change.topicsCreated)
        for (const { partition } of topic.partitions) this.#onState(topic.name, partition);
      for (const { topic, partition } of change.partitionsChanged) this.#onState(topic, partition);
    });
    store.watches.add({
      prefix: '',
      fromRevision: 1,
      watcher: {
        onEvents: (revision, events) => this.truth.apply(revision, events),
        onLost: () => this.truth.reset(store.keyspace.range('')),
      },
      wake: (deliver) => queueMicrotask(deliver),
    });
  }

  /** From now on every partition that a broker makes is looked at. */
  begin(): void {
    const apply = this.#applyOfPartition;
    const onApply = (partition: Partition): void => this.#onApply(partition);
    Partition.prototype.apply = function applied(this: Partition, state) {
      // The constructor ends with it: before anything can happen to the log.
      onApply(this);
      apply.call(this, state);
    };
  }

  end(): void {
    Partition.prototype.apply = this.#applyOfPartition;
  }

  /** The broker's process has ended. */
  forget(nodeId: number): void {
    for (const ledger of this.ledgers.values()) ledger.replicas.delete(nodeId);
  }

  check(): void {
    if (this.#dirty.size === 0) return;
    for (const key of this.#dirty) {
      const ledger = this.ledgers.get(key);
      const [topicId, partition] = key.split(' ') as [string, string];
      const state = this.truth.topicById(topicId)?.partitions[Number(partition)];
      ledger?.check(state?.isr ?? []);
    }
    this.#dirty.clear();
  }

  checkAll(): void {
    for (const ledger of this.ledgers.values()) ledger.checkAll();
  }

  #onState(topic: string, index: number): void {
    const { report, mayElectUncleanly } = this.#options;
    const topicImage = this.truth.topics.get(topic)!;
    const state = topicImage.partitions[index]!;
    const key = `${topicImage.id} ${index}`;
    this.#dirty.add(key);
    const before = this.#before.get(key);
    const {
      leader,
      leaderEpoch,
      partitionEpoch,
      isr,
      elr,
      lastKnownElr,
      addingReplicas,
      removingReplicas,
      replicas,
    } = state;
    const now: Before = {
      leader,
      leaderEpoch,
      partitionEpoch,
      isr,
      elr,
      lastKnownElr,
      addingReplicas,
      removingReplicas,
    };
    this.#before.set(key, now);
    const name = `${topic}-${index}`;
    if (leader >= 0 && !isr.includes(leader))
      report('LeaderInIsr', `${name}: ${leader} is not in ${String(isr)}`);
    const stray = [...isr, ...elr].find((nodeId) => !replicas.includes(nodeId));
    if (stray !== undefined || isr.some((nodeId) => elr.includes(nodeId)))
      report('TypeOk', `${name}: ${JSON.stringify({ isr, elr, replicas })}`);
    if (before === undefined) return;
    const hasGoneBack = leaderEpoch < before.leaderEpoch || partitionEpoch <= before.partitionEpoch;
    const isSilent = leader !== before.leader && leaderEpoch === before.leaderEpoch;
    if (hasGoneBack || isSilent)
      report('epochs of the store', `${name}: ${JSON.stringify(before)}, then ${JSON.stringify(now)}`);
    if (leaderEpoch === before.leaderEpoch || leader < 0) return;
    this.elections += 1;
    if (before.isr.includes(leader) || before.elr.includes(leader)) return;
    // Who comes in sync, and ends a reassignment by that, may lead at once.
    const wasReassigning = before.addingReplicas.length + before.removingReplicas.length > 0;
    if (wasReassigning && !state.isLeaderRecovering) return;
    const isLastLeader = before.elr.length === 0 && before.lastKnownElr.includes(leader);
    if (isLastLeader && !mayElectUncleanly(topic)) {
      this.lastLeaderElections += 1;
      return;
    }
    this.uncleanElections += 1;
    const ledger = this.ledgers.get(key);
    if (ledger !== undefined) ledger.isUnclean = true;
    if (!mayElectUncleanly(topic))
      report('unclean election', `${name}: ${leader} after ${JSON.stringify(before)}`);
  }

  #onApply(partition: Partition): void {
    const key = `${partition.topicId} ${partition.partition}`;
    this.#dirty.add(key);
    if (partition.log === undefined) return;
    const { nodeId, topic } = partition;
    let ledger = this.ledgers.get(key);
    if (ledger === undefined) {
      const { report, isCompacted } = this.#options;
      const name = `${topic}-${partition.partition}`;
      ledger = new PartitionLedger(name, { isCompacted: isCompacted(topic), report });
      this.ledgers.set(key, ledger);
    }
    if (ledger.replicas.get(nodeId)?.partition === partition) return;
    this.#adopt(ledger, key, partition);
  }

  #adopt(ledger: PartitionLedger, key: string, partition: Partition): void {
    const { nodeId } = partition;
    let replica: Replica | undefined = undefined;
    const shadow = new Shadow(partition.log!, this.#options.machines.get(nodeId)!.ports, {
      isCompacted: ledger.isCompacted,
      onPut: (offset, entry) => {
        this.#dirty.add(key);
        ledger.match(nodeId, offset, entry);
      },
      onCut: (end) => {
        this.#dirty.add(key);
        if (replica !== undefined) replica.agreed = Math.min(replica.agreed, end);
      },
    });
    const adopted = new Replica(nodeId, partition, shadow);
    replica = adopted;
    ledger.replicas.set(nodeId, adopted);
    // One event may bring a watermark and the end of the leadership.
    partition.onHighWatermark(() => {
      this.#dirty.add(key);
      if (partition.isLeader) ledger.commit(adopted);
    });
  }
}
