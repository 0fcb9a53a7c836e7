/**
 * What must hold of the replicas of one partition at any time (hachikuji/kafka-specification, KIP-320), whoever leads:
 *
 *   log matching    the same offset and epoch are the same record everywhere, for ever; epochs never fall along a log
 *   StrongIsr       what lies below the watermark of whoever takes itself for the leader is the same on all members of the
 *                   in-sync set that the store holds
 *   committed       what once was below a leader's watermark never becomes anything else
 *   watermarks      start <= last stable offset <= watermark <= end; within an epoch of a replica's life they never fall
 *   leaders         one for an epoch
 *
 * Replicas are compared with what was committed, each as far as that was not done before: a log that was cut has to be
 * looked at again from there.
 */
import type { Partition } from '../../../src/replication/partition.ts';
import type { Entry, Shadow } from './shadow.ts';

export type Report = (kind: string, what: string) => void;

/** One replica, in one life of its broker. */
export class Replica {
  readonly nodeId: number;
  readonly partition: Partition;
  readonly shadow: Shadow;
  /** Up to here it was found to have what is committed. */
  agreed = 0;
  epoch = -1;
  highWatermark = 0;

  constructor(nodeId: number, partition: Partition, shadow: Shadow) {
    this.nodeId = nodeId;
    this.partition = partition;
    this.shadow = shadow;
  }
}

/** Larger than any epoch of a world. */
const EPOCHS_MAX = 1 << 16;

export class PartitionLedger {
  readonly name: string;
  readonly isCompacted: boolean;
  /** Somebody was elected who need not have what was committed: then nothing is said about that any more. */
  isUnclean = false;
  /** What was below a leader's watermark, by offset. */
  readonly committed: (Entry | undefined)[] = [];
  readonly replicas = new Map<number, Replica>();
  readonly #report: Report;
  readonly #written = new Map<number, Entry['content']>();
  readonly #leaders = new Map<number, number>();
  #highest = 0;

  constructor(name: string, options: { readonly isCompacted: boolean; readonly report: Report }) {
    this.name = name;
    this.isCompacted = options.isCompacted;
    this.#report = (kind, what) => options.report(kind, `${name}: ${what}`);
  }

  /** Somebody has written, or found, this record. */
  match(nodeId: number, offset: number, { epoch, content }: Entry): void {
    const key = offset * EPOCHS_MAX + epoch;
    const before = this.#written.get(key);
    if (before === undefined) this.#written.set(key, content);
    else if (before !== content)
      this.#report('log matching', `${content} on ${nodeId}, ${before} before, @${offset} of epoch ${epoch}`);
  }

  /** Whoever takes itself for the leader says that everything below its watermark is committed. */
  commit(replica: Replica): void {
    const { shadow, partition } = replica;
    const { highWatermark } = partition;
    this.#highest = Math.max(this.#highest, highWatermark);
    if (this.isUnclean) return;
    this.#agree(replica, Math.min(highWatermark, this.committed.length), 'a leader lacks what is committed');
    for (let offset = this.committed.length; offset < highWatermark; offset++) {
      const entry = shadow.entries[offset];
      if (entry === undefined && !this.isCompacted && offset >= partition.logStartOffset)
        this.#report('watermark', `${replica.nodeId} has nothing @${offset}, below ${highWatermark}`);
      this.committed[offset] = entry;
    }
    replica.agreed = Math.max(replica.agreed, highWatermark);
  }

  /** `isr`: as the store holds it. */
  check(isr: readonly number[]): void {
    this.#forgetDeleted();
    for (const replica of this.replicas.values()) this.#checkReplica(replica);
    if (this.isUnclean) return;
    for (const leader of this.replicas.values()) {
      const { isLeader, highWatermark, log } = leader.partition;
      if (!isLeader || log === undefined) continue;
      for (const nodeId of isr) {
        const member = this.replicas.get(nodeId);
        if (member === undefined || member === leader || member.partition.log === undefined) continue;
        this.#agree(member, Math.min(highWatermark, this.committed.length), `StrongIsr of ${leader.nodeId}`);
      }
    }
  }

  /** Who is no replica any more, or of a topic that is gone, need not have what came after that. */
  #forgetDeleted(): void {
    for (const { nodeId, partition } of this.replicas.values())
      if (partition.isDeleted) this.replicas.delete(nodeId);
  }

  #checkReplica(replica: Replica): void {
    const { nodeId, partition } = replica;
    const { highWatermark, logEndOffset, logStartOffset, lastStableOffset, leaderEpoch, log } = partition;
    if (log === undefined) return;
    if (
      highWatermark > logEndOffset ||
      lastStableOffset > highWatermark ||
      logStartOffset > lastStableOffset
    ) {
      const what = `start ${logStartOffset}, stable ${lastStableOffset}, watermark ${highWatermark}, end ${logEndOffset}`;
      this.#report('order of offsets', `${what} on ${nodeId}`);
    }
    if (leaderEpoch < replica.epoch)
      this.#report('leader epoch', `${replica.epoch}, then ${leaderEpoch} on ${nodeId}`);
    if (leaderEpoch === replica.epoch && highWatermark < replica.highWatermark && !this.isUnclean) {
      const what = `${replica.highWatermark}, then ${highWatermark} on ${nodeId} in epoch ${leaderEpoch}`;
      this.#report('watermark fell', what);
    }
    replica.epoch = leaderEpoch;
    replica.highWatermark = highWatermark;
    if (partition.isLeader) {
      const other = this.#leaders.get(leaderEpoch) ?? nodeId;
      this.#leaders.set(leaderEpoch, nodeId);
      if (other !== nodeId)
        this.#report('two leaders', `${other} and ${nodeId} both lead in epoch ${leaderEpoch}`);
      this.commit(replica);
    } else if (highWatermark > this.#highest && !this.isUnclean) {
      this.#report('watermark', `${highWatermark} on ${nodeId}, above all leaders'`);
    }
  }

  #agree(replica: Replica, end: number, why: string): void {
    const { entries } = replica.shadow;
    let offset = Math.max(replica.agreed, replica.partition.logStartOffset);
    for (; offset < end; offset++) {
      const [here, there] = [entries[offset], this.committed[offset]];
      if (here === undefined || there === undefined) {
        // Cleaned away here or there, or deleted before it was seen.
        if (this.isCompacted || there === undefined) continue;
      } else if (here.epoch === there.epoch && here.content === there.content) continue;
      this.#report('committed', `${why}: ${show(here)} on ${replica.nodeId} @${offset}, not ${show(there)}`);
      break;
    }
    replica.agreed = Math.max(replica.agreed, offset);
  }

  /** At the end: everything that was ever committed is on every replica. */
  checkAll(): void {
    this.#forgetDeleted();
    for (const replica of this.replicas.values()) {
      const { partition, shadow, nodeId } = replica;
      if (partition.log === undefined) continue;
      if (!this.isUnclean) {
        replica.agreed = 0;
        this.#agree(replica, this.committed.length, 'at the end');
      }
      this.#checkEpochs(nodeId, shadow);
    }
  }

  /** Epochs never fall along a log, and its epoch cache says where each of them ends. */
  #checkEpochs(nodeId: number, { entries, log }: Shadow): void {
    let epoch = -1;
    for (let offset = log.logStartOffset; offset < entries.length; offset++) {
      const entry = entries[offset];
      if (entry === undefined || entry.epoch === epoch) continue;
      if (entry.epoch < epoch)
        this.#report('epochs', `${entry.epoch} @${offset} after ${epoch} on ${nodeId}`);
      if (epoch >= 0 && !this.isCompacted) {
        const { endOffset } = log.endOffsetForEpoch(epoch);
        if (endOffset !== offset)
          this.#report('epochs', `${epoch} ends @${offset} on ${nodeId}, its cache says ${endOffset}`);
      }
      epoch = entry.epoch;
    }
  }
}

function show(entry: Entry | undefined): string {
  return entry === undefined ? 'nothing' : `${entry.content} of epoch ${entry.epoch}`;
}
