/**
 * What a partition becomes when brokers come and go (KIP-966). A replica whose broker is gone, or about to stop, is not in
 * sync. While fewer are in sync than the topic's minimum nothing is committed, so those who left since then still have
 * everything that is: they stay eligible, and lead when nobody in sync is left. If nobody eligible is left either, the last
 * leader is as good as it gets, and only then, where the topic allows it, whoever is there.
 *
 * All of it follows from the image alone, so it may be decided again at any time, by any controller.
 */
import type { ClusterImage, PartitionImage } from '../image.ts';
import { eligibleAfter } from './in-sync.ts';
import type { LeadershipRules } from './leadership-rules.ts';
import { mayLead, type PartitionUpdate } from './partition-change.ts';
import { directoriesAfter, finishedReassignment } from './reassignments.ts';

export interface Circumstances {
  /** The topic's name. */
  readonly topic: string;
  readonly rules: LeadershipRules;
  /** A broker that may have lost what it had written: it is neither in sync nor eligible, and not electable now. */
  readonly lostBroker?: number;
  /** Only who has everything may be elected: anything else is the controller's to decide, and to tell of. */
  readonly mustBeClean?: boolean;
}

/** Undefined: the partition is as it should be. */
export function settled(
  image: ClusterImage,
  partition: PartitionImage,
  circumstances: Circumstances,
): PartitionUpdate | undefined {
  const { lostBroker, topic, rules } = circumstances;
  const { leader, isr, elr } = partition;
  const isWhole = isr.every((id) => isThere(image, id, circumstances));
  const fits = isWhole && isr.includes(leader) && (lostBroker === undefined || !elr.includes(lostBroker));
  const update = fits ? undefined : reelected(image, partition, circumstances);
  const next = { ...partition, ...update };
  // What was waited for may have come about by this, or by another minimum.
  const finished = finishedReassignment(image, next, rules.minInsyncReplicas(topic));
  if (finished !== undefined) {
    const directories = directoriesAfter(image, partition, finished.replicas ?? next.replicas);
    return { ...update, ...finished, directories };
  }
  return update === undefined || isSame(partition, update) ? undefined : update;
}

/** The partition without those who are gone, led by the best that is left. `mayBeUnclean`: whatever the settings say. */
export function reelected(
  image: ClusterImage,
  partition: PartitionImage,
  circumstances: Circumstances & { readonly mayBeUnclean?: boolean },
): PartitionUpdate & { readonly leader: number } {
  const { topic, rules } = circumstances;
  const is = (id: number): boolean => isThere(image, id, circumstances);
  const { replicas, leader: former } = partition;
  const isr = partition.isr.filter(is);
  const elr = eligibleAfter(partition, isr, rules.minInsyncReplicas(topic)).filter(
    (id) => id !== circumstances.lostBroker,
  );
  const inSync = isr.includes(former) ? former : replicas.find((id) => isr.includes(id));
  if (inSync !== undefined) return { leader: inSync, isr, elr, lastKnownElr: [] };
  const candidate = replicas.find((id) => elr.includes(id) && is(id));
  if (candidate !== undefined) {
    // As soon as the leader commits alone, what the others have is no longer everything.
    const isEnough = minInsync(partition, circumstances) <= 1;
    const others = isEnough ? [] : elr.filter((id) => id !== candidate);
    return { leader: candidate, isr: [candidate], elr: others, lastKnownElr: [] };
  }
  const unclean =
    circumstances.mustBeClean === true
      ? undefined
      : (lastLeader(partition, elr).find(is) ?? mayBe().find(is));
  if (unclean !== undefined) {
    // The others may hold records that this one never had: they come back in sync only by following it.
    return { leader: unclean, isr: [unclean], elr: [], lastKnownElr: [], isLeaderRecovering: true };
  }
  const isNews = partition.lastKnownElr.length === 0 && former >= 0;
  return { leader: -1, isr, elr, lastKnownElr: isNews ? [former] : partition.lastKnownElr };

  function mayBe(): readonly number[] {
    return circumstances.mayBeUnclean === true || rules.mayElectUncleanly(topic) ? replicas : [];
  }
}

/** Alive, with a log directory, and not known to have lost records. */
function isThere(image: ClusterImage, nodeId: number, { lostBroker }: Circumstances): boolean {
  return nodeId !== lostBroker && mayLead(image, nodeId);
}

/** Once nobody has everything for sure: the one that led last. */
function lastLeader({ lastKnownElr, replicas }: PartitionImage, elr: readonly number[]): readonly number[] {
  return elr.length === 0 ? lastKnownElr.slice(0, 1).filter((id) => replicas.includes(id)) : [];
}

/** Whether `update` makes somebody leader who may lack committed records. */
export function isUnclean(partition: PartitionImage, { leader = -1 }: PartitionUpdate): boolean {
  return leader >= 0 && !partition.isr.includes(leader) && !partition.elr.includes(leader);
}

/** A topic can have no more replicas in sync than it has. */
function minInsync(partition: PartitionImage, { topic, rules }: Circumstances): number {
  return Math.min(rules.minInsyncReplicas(topic), partition.replicas.length);
}

function isSame(partition: PartitionImage, update: PartitionUpdate & { readonly leader: number }): boolean {
  const { leader, isr = [], elr = [], lastKnownElr = [] } = update;
  return (
    leader === partition.leader &&
    isr.join() === partition.isr.join() &&
    elr.join() === partition.elr.join() &&
    lastKnownElr.join() === partition.lastKnownElr.join()
  );
}
