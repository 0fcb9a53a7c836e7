/** What a consumer has because it names a group: committed offsets, and with topics a place among the group's members. */
import { callBack } from '../errors.ts';
import type { ClientCore } from '../core.ts';
import { Coordinator } from '../group/coordinator.ts';
import type { GroupMembership } from '../group/group-membership.ts';
import { ConsumerProtocolMembership } from '../group/consumer-protocol.ts';
import { Membership } from '../group/membership.ts';
import { OffsetStore } from '../group/offset-store.ts';
import type { OffsetToCommit } from '../group/offsets.ts';
import { groupSettings, type GroupOptions } from '../group/options.ts';
import type { AssignedPartitions } from './assigned-partitions.ts';
import type { TopicPartition } from './options.ts';
import { SubscribedTopics } from './subscribed-topics.ts';

export interface GroupPartOptions {
  readonly core: ClientCore;
  readonly group: string;
  /** Undefined: the consumer says itself what it reads. */
  readonly topics: readonly (string | RegExp)[] | undefined;
  readonly options: GroupOptions;
  readonly partitions: AssignedPartitions;
  /** The user waits for records at this moment, or asked for them last at this time (monotonic ms). */
  readonly lastPolledMs: () => number;
  /** The group wants something: whoever waits for records is to look. */
  readonly onAttention: () => void;
  /** Resolves when nobody works on these partitions any more. */
  readonly drain: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** Offsets were committed, or not. */
  readonly onCommit: (offsets: readonly OffsetToCommit[], error: unknown) => void;
}

const AUTO_COMMIT_MS_DEFAULT = 5_000;

export class GroupPart {
  readonly offsets: OffsetStore;
  readonly membership: GroupMembership | undefined;
  readonly #topics: SubscribedTopics | undefined;

  constructor(part: GroupPartOptions) {
    const { core, group, topics, options, partitions } = part;
    const coordinator = new Coordinator({ core, kind: 'group', key: group, lane: core.newLane('group') });
    if (topics !== undefined) {
      this.#topics = new SubscribedTopics({
        metadata: core.metadata,
        topics,
        onChange: () => this.membership?.rejoin(),
      });
      this.membership = this.#member(part, { coordinator, topics: this.#topics });
    }
    this.offsets = new OffsetStore({
      core,
      coordinator,
      group,
      membership: this.membership,
      autoCommitIntervalMs:
        (options.autoCommit ?? topics !== undefined)
          ? (options.autoCommitIntervalMs ?? AUTO_COMMIT_MS_DEFAULT)
          : undefined,
      processed: () => partitions.reached((partition) => partition.processed),
      onCommit: part.onCommit,
    });
  }

  /** The last commit, if they go by themselves; then leaves. `disconnect` follows. */
  async close(): Promise<void> {
    await this.offsets.close();
    await this.membership?.close();
  }

  disconnect(): void {
    this.#topics?.close();
    this.offsets.disconnect();
  }

  #member(
    { core, group, options, partitions, lastPolledMs, onAttention, drain }: GroupPartOptions,
    { coordinator, topics }: { readonly coordinator: Coordinator; readonly topics: SubscribedTopics },
  ): GroupMembership {
    const { onRevoked, onLost } = options;
    const settings = groupSettings(options);
    const Chosen = settings.protocol === 'consumer' ? ConsumerProtocolMembership : Membership;
    return new Chosen({
      core,
      coordinator,
      group,
      settings,
      host: {
        topics: () => topics.names,
        topicsKnown: () => topics.known(),
        owned: () => partitions.list(),
        lastPolledMs,
        onAttention,
        onAssigned: (added) => partitions.begin(added.map((at) => ({ at, from: undefined }))),
        onRevoked: async (revoked) => {
          await drain(revoked);
          await this.offsets.autoCommitNow();
          await callBack('onRevoked', () => onRevoked?.(revoked));
          partitions.give(revoked);
        },
        onLost: async (lost) => {
          await drain(lost);
          partitions.give(lost);
          await callBack('onLost', () => onLost?.(lost));
        },
      },
    });
  }
}
