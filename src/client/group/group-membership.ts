/** What a consumer sees of its place in a group, whatever protocol the group speaks, and what the place asks of the consumer. */
import type { TopicPartition } from '../consumer/options.ts';
import type { ClientCore } from '../core.ts';
import type { Coordinator } from './coordinator.ts';
import type { Committer } from './offsets.ts';
import type { GroupSettings } from './options.ts';

export interface GroupMembership {
  /** The group wants something of this member before it reads on. */
  readonly needsAttention: boolean;
  /** When the group last said that this is one of its members (monotonic ms). */
  readonly heardMs: number;
  /** In whose name offsets are committed. */
  readonly committer: Committer;
  /** Does what the group wants, until this member is a part of it again. Errors: KafkaError that ends the membership. */
  attend(signal?: AbortSignal): Promise<void>;
  /** A request was refused because the group has another idea of this member. */
  noteError(code: number | undefined): void;
  /** The topics that this member wants have changed. */
  rejoin(): void;
  /** Leaves the group, unless it is static: then the group keeps its place until the session ends. */
  close(): Promise<void>;
}

export interface MembershipHost {
  /** The topics that this member wants. */
  topics(): readonly string[];
  /** Resolves when `topics` says something. */
  topicsKnown(): Promise<void>;
  owned(): TopicPartition[];
  /** The user waits for records at this moment, or asked for them last at this time (monotonic ms). */
  lastPolledMs(): number;
  onAssigned(partitions: readonly TopicPartition[]): Promise<void>;
  /** Before they are given away. */
  onRevoked(partitions: readonly TopicPartition[]): Promise<void>;
  /** They are somebody else's already. */
  onLost(partitions: readonly TopicPartition[]): Promise<void>;
  /** `needsAttention` has become true. */
  onAttention(): void;
}

export interface MembershipOptions {
  readonly core: ClientCore;
  readonly coordinator: Coordinator;
  readonly group: string;
  readonly settings: GroupSettings;
  readonly host: MembershipHost;
}
