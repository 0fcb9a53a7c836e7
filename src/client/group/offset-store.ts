/**
 * A consumer's committed offsets: stored in the order of the calls, by itself from time to time if that is wanted,
 * and only when they have changed.
 */
import type { Timer } from '../../base/ports.ts';
import { Errors } from '../../protocol/errors.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { TopicPartition } from '../consumer/options.ts';
import type { ClientCore } from '../core.ts';
import { connectionError } from '../errors.ts';
import type { Coordinator } from './coordinator.ts';
import type { GroupMembership } from './group-membership.ts';
import {
  commitOffsets,
  fetchOffsets,
  NO_MEMBER,
  type CommittedOffset,
  type Committer,
  type OffsetToCommit,
} from './offsets.ts';

export interface OffsetStoreOptions {
  readonly core: ClientCore;
  readonly coordinator: Coordinator;
  readonly group: string;
  /** Undefined: who commits is nobody in particular. */
  readonly membership: GroupMembership | undefined;
  /** Undefined: nothing is committed by itself. */
  readonly autoCommitIntervalMs: number | undefined;
  /** What has been dealt with. */
  readonly processed: () => OffsetToCommit[];
  /** They were committed, or not. */
  readonly onCommit: (offsets: readonly OffsetToCommit[], error: unknown) => void;
}

/** At the close. */
const LAST_COMMIT_MS_MAX = 5_000;
const STALE_TRIES_MAX = 10;

export class OffsetStore {
  readonly #options: OffsetStoreOptions;
  /** The last commit, whether it went well or not: the next one comes after it. */
  #turn: Promise<void> = Promise.resolve();
  /** By partition: the offset that the broker has. */
  readonly #stored = new Map<string, number>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: OffsetStoreOptions) {
    this.#options = options;
    this.#arm();
  }

  /** Errors: KafkaError; when the group has gone on without this member, a rebalance follows. */
  commit(offsets: readonly OffsetToCommit[], signal?: AbortSignal, timeoutMs?: number): Promise<void> {
    const { onCommit } = this.#options;
    const turn = this.#turn.then(() => this.#commit(offsets, { signal, timeoutMs }));
    turn.then(
      () => onCommit(offsets, undefined),
      (error: unknown) => onCommit(offsets, error),
    );
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async committed(partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const { coordinator, group } = this.#options;
    const found = await fetchOffsets(coordinator, partitions, { group, requireStable: true });
    for (const one of found) this.#stored.set(keyOf(one), one.offset);
    return found;
  }

  /** What is dealt with and not stored yet. A failure is noted, not thrown: the records come again then. */
  async autoCommitNow(timeoutMs?: number): Promise<void> {
    const { autoCommitIntervalMs, processed, core, group } = this.#options;
    if (autoCommitIntervalMs === undefined) return;
    const changed = processed().filter((one) => this.#stored.get(keyOf(one)) !== one.offset);
    if (changed.length === 0) return;
    try {
      await this.commit(changed, undefined, timeoutMs);
    } catch (error) {
      core.ports.logger?.warn({ group, error }, 'offsets could not be committed');
    }
  }

  /** The last commit, if they go by themselves. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.autoCommitNow(LAST_COMMIT_MS_MAX);
    await this.#turn;
  }

  disconnect(): void {
    this.#options.coordinator.close();
  }

  async #commit(
    offsets: readonly OffsetToCommit[],
    {
      signal,
      timeoutMs,
    }: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number | undefined },
  ): Promise<void> {
    const { coordinator, group, membership, core } = this.#options;
    for (let tries = 1; ; tries++) {
      const committer = membership?.committer ?? NO_MEMBER;
      try {
        await commitOffsets(coordinator, offsets, {
          group,
          committer,
          signal,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
        });
        break;
      } catch (error) {
        const { code } = connectionError(error, 'committing');
        // A commit that took long may be of a generation that this member has left behind: that is no news of the member.
        if (membership !== undefined && isSame(committer, membership.committer)) membership.noteError(code);
        // The next heartbeat brings the epoch that counts now (KIP-848).
        if (code !== Errors.STALE_MEMBER_EPOCH || tries === STALE_TRIES_MAX) throw error;
        await pause(core.ports.timers, backoffMs(tries, core.settings, core.ports.random), signal);
      }
    }
    for (const one of offsets) this.#stored.set(keyOf(one), one.offset);
  }

  #arm(): void {
    const { autoCommitIntervalMs, core } = this.#options;
    if (autoCommitIntervalMs === undefined || this.#isClosed) return;
    this.#timer = core.ports.timers.after(autoCommitIntervalMs, () => {
      void this.autoCommitNow().finally(() => this.#arm());
    });
  }
}

function isSame(one: Committer, other: Committer): boolean {
  return one.memberId === other.memberId && one.generation === other.generation;
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`;
}
