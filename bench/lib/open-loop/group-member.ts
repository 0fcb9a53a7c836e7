/**
 * A member of a classic consumer group as the Java consumer is one, on the wire: it joins with a subscription, the leader
 * hands out partitions, it heartbeats, reads from what the group has committed, and commits.
 */
import { codec } from '../../../src/protocol/compile.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from '../../../src/protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../../src/protocol/messages/11-join-group.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../../src/protocol/messages/12-heartbeat.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../../src/protocol/messages/14-sync-group.ts';
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
} from '../../../src/protocol/records/consumer-protocol.ts';
import { Reader, Writer } from '../../../src/protocol/wire.ts';
import type { WireClient } from '../../wire-client.ts';
import type { Target } from './messages.ts';

const SESSION_TIMEOUT_MS = 45_000;
const REBALANCE_TIMEOUT_MS = 300_000;
const PROTOCOL_TYPE = 'consumer';
const PROTOCOL = 'range';
/** Version 0 of what consumers tell each other: enough for one topic. */
const EMBEDDED_VERSION = 0;
/** The coordinator is not there yet; ask again. */
const NOT_YET: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.NOT_COORDINATOR,
]);
const AGAIN: ReadonlySet<number> = new Set([Errors.REBALANCE_IN_PROGRESS, Errors.ILLEGAL_GENERATION]);

type Offsets = ReadonlyMap<number, number>;

export class GroupMember {
  readonly #client: WireClient;
  readonly #groupId: string;
  readonly #target: Target;
  #memberId = '';
  generationId = -1;
  /** How many members the generation has; known to its leader alone, 0 to others. */
  memberCount = 0;
  partitions: readonly number[] = [];

  constructor(client: WireClient, { groupId, target }: { groupId: string; target: Target }) {
    this.#client = client;
    this.#groupId = groupId;
    this.#target = target;
  }

  /** Whether the group has a coordinator that answers. */
  async isServed(): Promise<boolean> {
    const find = { key: this.#groupId, keyType: 0, coordinatorKeys: [] };
    const found = await this.#client.call(FindCoordinatorRequest, FindCoordinatorResponse, {
      version: 3,
      body: find,
    });
    if (found.errorCode !== 0 && !NOT_YET.has(found.errorCode)) this.#refuse('FindCoordinator', found);
    if (found.errorCode !== 0) return false;
    const { errorCode } = await this.#fetchOffsets();
    if (errorCode !== 0 && !NOT_YET.has(errorCode)) this.#refuse('OffsetFetch', { errorCode });
    return errorCode === 0;
  }

  /** Joins and takes its partitions; when the group changes meanwhile, does so again. */
  async join(): Promise<void> {
    for (;;) {
      const joined = await this.#joinOnce();
      const assignments = joined.members.length === 0 ? [] : this.#assign(joined.members);
      const body = { ...this.#identity(), protocolType: PROTOCOL_TYPE, protocolName: PROTOCOL, assignments };
      const synced = await this.#client.call(SyncGroupRequest, SyncGroupResponse, { version: 5, body });
      if (AGAIN.has(synced.errorCode)) continue;
      if (synced.errorCode !== 0) this.#refuse('SyncGroup', synced);
      this.memberCount = joined.members.length;
      this.partitions = assignedTo(synced.assignment);
      return;
    }
  }

  /** False when the group has changed and the member has to join again. */
  async heartbeat(): Promise<boolean> {
    const body = this.#identity();
    const answer = await this.#client.call(HeartbeatRequest, HeartbeatResponse, { version: 4, body });
    if (AGAIN.has(answer.errorCode)) return false;
    if (answer.errorCode !== 0) this.#refuse('Heartbeat', answer);
    return true;
  }

  /** By partition; 0 where nothing is committed. */
  async committed(): Promise<Offsets> {
    const { errorCode, topics } = await this.#fetchOffsets();
    if (errorCode !== 0) this.#refuse('OffsetFetch', { errorCode });
    const partitions = topics.flatMap((topic) => topic.partitions);
    for (const partition of partitions) if (partition.errorCode !== 0) this.#refuse('OffsetFetch', partition);
    return new Map(
      partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, Math.max(0, committedOffset)]),
    );
  }

  async commit(offsets: Offsets): Promise<void> {
    const { generationId, ...identity } = this.#identity();
    const partitions = [...offsets].map(([partitionIndex, committedOffset]) => ({
      partitionIndex,
      committedOffset,
      committedMetadata: '',
    }));
    const topics = [{ name: this.#target.topic, topicId: '', partitions }];
    const answer = await this.#client.call(OffsetCommitRequest, OffsetCommitResponse, {
      version: 8,
      body: { ...identity, generationIdOrMemberEpoch: generationId, topics },
    });
    for (const topic of answer.topics) {
      for (const partition of topic.partitions) {
        if (partition.errorCode !== 0) this.#refuse('OffsetCommit', partition);
      }
    }
  }

  close(): void {
    this.#client.close();
  }

  async #joinOnce(): Promise<JoinGroupResponse> {
    const writer = new Writer();
    writer.int16(EMBEDDED_VERSION);
    codec(ConsumerProtocolSubscription, EMBEDDED_VERSION).write(writer, {
      topics: [this.#target.topic],
    } as never);
    const metadata = Buffer.concat(writer.finish());
    const call = (): Promise<JoinGroupResponse> =>
      this.#client.call(JoinGroupRequest, JoinGroupResponse, {
        version: 7,
        body: {
          groupId: this.#groupId,
          sessionTimeoutMs: SESSION_TIMEOUT_MS,
          rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
          memberId: this.#memberId,
          protocolType: PROTOCOL_TYPE,
          protocols: [{ name: PROTOCOL, metadata }],
        },
      });
    let answer = await call();
    if (answer.errorCode === Errors.MEMBER_ID_REQUIRED) {
      this.#memberId = answer.memberId;
      answer = await call();
    }
    if (answer.errorCode !== 0) this.#refuse('JoinGroup', answer);
    this.#memberId = answer.memberId;
    this.generationId = answer.generationId;
    return answer;
  }

  /** Partitions go round the members in the order of their ids; who comes after the last partition stands by. */
  #assign(members: readonly { readonly memberId: string }[]): { memberId: string; assignment: Buffer }[] {
    const ids = members.map(({ memberId }) => memberId).sort();
    const all = Array.from({ length: this.#target.partitions }, (_, partition) => partition);
    return ids.map((memberId, place) => {
      const partitions = all.filter((partition) => partition % ids.length === place);
      const assignedPartitions = partitions.length === 0 ? [] : [{ topic: this.#target.topic, partitions }];
      const writer = new Writer();
      writer.int16(EMBEDDED_VERSION);
      codec(ConsumerProtocolAssignment, EMBEDDED_VERSION).write(writer, {
        assignedPartitions,
        userData: null,
      });
      return { memberId, assignment: Buffer.concat(writer.finish()) };
    });
  }

  #fetchOffsets(): Promise<OffsetFetchResponse> {
    const partitionIndexes = [...this.partitions];
    const topics = partitionIndexes.length === 0 ? [] : [{ name: this.#target.topic, partitionIndexes }];
    const body = { groupId: this.#groupId, topics, groups: [] };
    return this.#client.call(OffsetFetchRequest, OffsetFetchResponse, { version: 7, body });
  }

  #identity() {
    return { groupId: this.#groupId, generationId: this.generationId, memberId: this.#memberId };
  }

  #refuse(what: string, { errorCode }: { readonly errorCode: number }): never {
    throw new Error(`${what} of group ${this.#groupId} was refused with error ${errorCode}`);
  }
}

function assignedTo(assignment: Buffer): number[] {
  const reader = new Reader(assignment);
  reader.int16();
  const { assignedPartitions } = codec(ConsumerProtocolAssignment, EMBEDDED_VERSION).read(reader);
  return assignedPartitions.flatMap(({ partitions }) => partitions);
}
