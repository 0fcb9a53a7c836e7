/** What the group coordinator's timers and settled records come back with. */
import type { StateMachine, Ticket, Turn } from '../coordinator/machine.ts';
import type { JoinGroupResponse } from '../protocol/messages/11-join-group.ts';
import type { ClassicGroup, ClassicMember } from './classic/classic-group.ts';

export type GroupEvent =
  /** A member, or one that was only given its id, has not been heard of for its session timeout. */
  | { readonly type: 'session'; readonly groupId: string; readonly memberId: string }
  /** The rebalance timeout: those who have not joined are out. */
  | { readonly type: 'join'; readonly groupId: string }
  | {
      readonly type: 'initialJoin';
      readonly groupId: string;
      readonly delayMs: number;
      readonly remainingMs: number;
    }
  | { readonly type: 'sync'; readonly groupId: string; readonly generationId: number }
  /** Time to look for expired offsets: of these groups, or of all. */
  | { readonly type: 'expireOffsets'; readonly groupIds: readonly string[] | undefined }
  /** Settled: the record that makes a new group known. */
  | {
      readonly type: 'groupCreated';
      readonly group: ClassicGroup;
      readonly ticket: Ticket<JoinGroupResponse>;
    }
  /** Settled: the leader's assignment. */
  | {
      readonly type: 'assigned';
      readonly group: ClassicGroup;
      readonly generationId: number;
      readonly assignments: ReadonlyMap<string, Buffer>;
    }
  /** Settled: a static member's new member id. */
  | {
      readonly type: 'staticMemberReplaced';
      readonly group: ClassicGroup;
      readonly oldMemberId: string;
      readonly newMemberId: string;
      readonly leaderId: string;
      readonly before: Pick<ClassicMember, 'protocols' | 'rebalanceTimeoutMs' | 'sessionTimeoutMs'>;
      readonly canSkipAssignment: boolean;
    };

export type GroupTurn = Turn<GroupEvent>;
export type GroupStateMachine = StateMachine<GroupEvent>;
