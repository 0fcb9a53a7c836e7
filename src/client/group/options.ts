/** How a consumer is a member of its group, and the defaults. */
import type { TopicPartition } from '../consumer/options.ts';
import { ASSIGNORS, COOPERATIVE_STICKY, type Assignor } from './assignors.ts';

export interface GroupOptions {
  /**
   * How the group is balanced. `classic` (the default): by one of its members, with `assignors`; all brokers know it.
   * `consumer` (KIP-848): by the broker, without a pause for those who keep what they have; Kafka from 4.0 on. There the
   * broker decides on sessions and heartbeats. A group changes from one to the other member by member.
   */
  readonly protocol?: 'classic' | 'consumer';
  /** In the consumer protocol: how the broker shares partitions, `uniform` or `range`. Default: the broker's choice. */
  readonly serverAssignor?: string;
  /**
   * How the group shares partitions, by preference; the group takes one that all members know. Only if all that are named are
   * cooperative do members keep their partitions during a rebalance. Default: cooperative-sticky, which Java's
   * consumers know by default, too.
   */
  readonly assignors?: readonly (AssignorName | Assignor)[];
  /** A static member (KIP-345): a restart within the session is no reason for a rebalance. */
  readonly instanceId?: string;
  /** Without a heartbeat for so long a member counts as dead. Default: 45 s. */
  readonly sessionTimeoutMs?: number;
  /** Default: 3 s. */
  readonly heartbeatIntervalMs?: number;
  /**
   * The user asks for records at least so often, or the member leaves its group; and so long the group waits for a member in a
   * rebalance. Default: 5 min.
   */
  readonly pollIntervalMsMax?: number;
  /**
   * Offsets are committed without being asked: of what was dealt with, that is, of what an earlier poll or turn of the loop has
   * handed out. Default: true for members of a group.
   */
  readonly autoCommit?: boolean;
  /** Default: 5 s. Besides, before partitions are given away and at the close. */
  readonly autoCommitIntervalMs?: number;
  /** Called when partitions have been given to this member; reading them begins when it has resolved. It may seek. */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => void | Promise<void>;
  /** Called before partitions are given away, after the commit; the group waits for it. */
  readonly onRevoked?: (partitions: readonly TopicPartition[]) => void | Promise<void>;
  /** Called when partitions are gone already: others may be reading them, nothing can be committed. */
  readonly onLost?: (partitions: readonly TopicPartition[]) => void | Promise<void>;
  /** In the classic protocol: hears of what happens to the membership. */
  readonly observer?: GroupObserver;
}

/** None of these may throw. */
export interface GroupObserver {
  /** The group is balanced anew: this member is to join again. */
  onRebalance?(): void;
  onJoined?(joined: JoinedGroup): void;
  /** The group has answered that this is one of its members. */
  onHeartbeat?(): void;
}

export interface JoinedGroup {
  readonly memberId: string;
  readonly leaderId: string;
  readonly generation: number;
  /** The assignor's name. */
  readonly protocol: string;
  /** All that this member has now, in no order. */
  readonly partitions: readonly TopicPartition[];
}

export type AssignorName = 'range' | 'roundrobin' | 'cooperative-sticky';

export interface GroupSettings {
  readonly protocol: 'classic' | 'consumer';
  readonly serverAssignor: string | null;
  readonly assignors: readonly Assignor[];
  readonly isCooperative: boolean;
  readonly instanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly pollIntervalMsMax: number;
  readonly observer: GroupObserver;
}

/** Throws TypeError for an assignor that nobody knows. */
export function groupSettings(options: GroupOptions): GroupSettings {
  const named = options.assignors ?? [COOPERATIVE_STICKY];
  const assignors = named.map((one) => {
    const found = typeof one === 'string' ? ASSIGNORS.find(({ name }) => name === one) : one;
    if (found === undefined) throw new TypeError(`there is no assignor ${JSON.stringify(one)}`);
    return found;
  });
  if (assignors.length === 0) throw new TypeError('a group needs an assignor');
  const { protocol = 'classic', serverAssignor } = options;
  if (protocol === 'consumer' && options.assignors !== undefined)
    throw new TypeError('in the consumer protocol the broker shares partitions: see serverAssignor');
  if (protocol === 'classic' && serverAssignor !== undefined)
    throw new TypeError('serverAssignor belongs to the consumer protocol');
  return {
    protocol,
    serverAssignor: serverAssignor ?? null,
    assignors,
    isCooperative: assignors.every((one) => one.isCooperative),
    instanceId: options.instanceId ?? null,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 45_000,
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 3_000,
    pollIntervalMsMax: options.pollIntervalMsMax ?? 300_000,
    observer: options.observer ?? {},
  };
}
