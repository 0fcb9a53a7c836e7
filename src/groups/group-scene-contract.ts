/** A group coordinator with one partition in a world of its own, and members who speak JoinGroup: for tests. */
import { codec } from '../protocol/compile.ts';
import { Writer } from '../protocol/wire.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../protocol/messages/11-join-group.ts';
import type { SyncGroupResponse } from '../protocol/messages/14-sync-group.ts';
import type { OffsetCommitRequest } from '../protocol/messages/08-offset-commit.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import { MemoryLog } from '../coordinator/memory-log.ts';
import { ConsumerProtocolSubscription } from '../protocol/records/consumer-protocol.ts';
import { SimulatedProcess, SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { silentLogger } from '../runtime/logger.ts';
import { GroupCoordinator } from './group-coordinator.ts';
import { GROUP_RECORD_FORMATS } from './group-records.ts';
import type { GroupCoordinatorSettings } from './group-state.ts';

export const DEFAULT_SETTINGS = {
  groups: {
    classic: {
      minSessionTimeoutMs: 6000,
      maxSessionTimeoutMs: 1_800_000,
      initialRebalanceDelayMs: 3000,
      maxSize: 2147483647,
    },
  },
  offsets: {
    metadataMaxBytes: 4096,
    commitTimeoutMs: 5000,
    retentionMs: 10080 * 60_000,
    retentionCheckIntervalMs: 600_000,
  },
};

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

export class Scene {
  readonly time: SimulatedTime;
  readonly log: MemoryLog;
  readonly coordinator: GroupCoordinator;
  settings: Mutable<GroupCoordinatorSettings> = structuredClone(DEFAULT_SETTINGS);

  constructor(
    options: {
      readonly seed?: number | string;
      readonly log?: MemoryLog;
      readonly time?: SimulatedTime;
    } = {},
  ) {
    const seed = options.seed ?? 1;
    this.time = options.time ?? new SimulatedTime({ seed });
    this.log = options.log ?? new MemoryLog();
    const process = new SimulatedProcess(this.time);
    this.coordinator = new GroupCoordinator({
      ports: {
        clock: process.clock,
        timers: process.timers,
        random: new SimulatedRandom(seed),
        logger: silentLogger(),
      },
      settings: () => this.settings,
      partitionCount: () => 1,
    });
  }

  /** A scene whose shard is active. */
  static async begin(options: ConstructorParameters<typeof Scene>[0] = {}): Promise<Scene> {
    const scene = new Scene(options);
    await scene.elect(0);
    return scene;
  }

  elect(leaderEpoch: number): Promise<void> {
    return this.time.settle(this.coordinator.onElection(0, leaderEpoch, this.log));
  }

  /** What a broker that takes over now would have. */
  async failover(): Promise<Scene> {
    const next = new Scene({ log: this.log.copy(), time: this.time });
    next.settings = this.settings;
    await next.elect(1);
    return next;
  }

  /** What has been written, since the record at `from`. */
  records(from = 0): { key: object; value: object | null }[] {
    return this.log.records(GROUP_RECORD_FORMATS, from).map(({ key, value }) => ({ key, value }));
  }

  join(request: JoinOptions = {}): Call<JoinGroupResponse> {
    const { apiVersion = 9, clientId = 'client', ...fields } = request;
    const body = { ...JOIN, ...fields };
    return call(this.coordinator.joinGroup({ apiVersion, clientId, clientHost: '/127.0.0.1' }, body));
  }

  /** Joins as version 4 clients and later do: once to get an id, and once with it. */
  async joinFully(request: JoinOptions = {}): Promise<Call<JoinGroupResponse>> {
    const first = await this.settle(this.join(request));
    return this.join({ ...request, memberId: first.memberId });
  }

  sync(fields: {
    readonly memberId: string;
    readonly generationId: number;
    readonly groupId?: string;
    readonly assignments?: Readonly<Record<string, string>>;
    readonly groupInstanceId?: string | null;
    readonly protocolType?: string | null;
    readonly protocolName?: string | null;
    readonly apiVersion?: number;
  }): Call<SyncGroupResponse> {
    const { apiVersion = 5, assignments = {}, ...rest } = fields;
    return call(
      this.coordinator.syncGroup(
        { apiVersion, clientId: 'client', clientHost: '/127.0.0.1' },
        {
          groupId: 'g',
          groupInstanceId: null,
          protocolType: 'consumer',
          protocolName: 'range',
          ...rest,
          assignments: Object.entries(assignments).map(([memberId, text]) => ({
            memberId,
            assignment: Buffer.from(text),
          })),
        },
      ),
    );
  }

  async heartbeat(fields: {
    readonly memberId: string;
    readonly generationId: number;
    readonly groupId?: string;
    readonly groupInstanceId?: string | null;
  }): Promise<number> {
    const request = { groupId: 'g', groupInstanceId: null, ...fields };
    return (await this.time.settle(this.coordinator.heartbeat(request))).errorCode;
  }

  leave(...members: { memberId: string; groupInstanceId?: string | null }[]): Promise<number[]> {
    const request = {
      groupId: 'g',
      memberId: '',
      members: members.map(({ memberId, groupInstanceId = null }) => ({
        memberId,
        groupInstanceId,
        reason: null,
      })),
    };
    const context = { apiVersion: 5, clientId: 'client', clientHost: '/127.0.0.1' };
    return this.time
      .settle(this.coordinator.leaveGroup(context, request))
      .then((response) => response.members.map(({ errorCode }) => errorCode));
  }

  /** Commits one offset; the code for its partition. */
  async commit(fields: CommitOptions = {}): Promise<number> {
    const topics = await this.time.settle(this.startCommit(fields));
    return topics[0].partitions[0].errorCode;
  }

  startCommit(fields: CommitOptions): ReturnType<GroupCoordinator['commitOffsets']> {
    const { topic = 't', topicId = ZERO_UUID, partition = 0, offset = 0, apiVersion = 9, ...rest } = fields;
    const { metadata = '', leaderEpoch = -1, ...request } = rest;
    const partitions = [
      {
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      },
    ];
    const body: OffsetCommitRequest = {
      ...COMMIT,
      ...request,
      topics: [{ name: topic, topicId, partitions }],
    };
    return this.coordinator.commitOffsets({ apiVersion, clientId: 'client', clientHost: '/127.0.0.1' }, body);
  }

  /** The offset the group has, as plain OffsetFetch sees it; -1 for none. */
  async fetch(
    fields: { groupId?: string; topic?: string; partition?: number; isStable?: boolean } = {},
  ): Promise<number> {
    const { groupId = 'g', topic = 't', partition = 0, isStable = false } = fields;
    const topics = [{ name: topic, topicId: ZERO_UUID, partitionIndexes: [partition] }];
    const request = { groupId, memberId: null, memberEpoch: -1, topics };
    const group = await this.time.settle(this.coordinator.fetchOffsets(request, isStable));
    if (group.errorCode !== 0) return -1000 - group.errorCode;
    return group.topics[0].partitions[0].committedOffset;
  }

  /** A Stable group of so many dynamic members, the leader first; each is assigned its own member id. */
  async stableGroup(
    count: number,
    options: JoinOptions = {},
  ): Promise<{ members: string[]; generationId: number }> {
    const joins = [];
    for (let i = 0; i < count; i++) joins.push(await this.joinFully(options));
    await this.time.advance(this.settings.groups.classic.initialRebalanceDelayMs * (count + 1));
    const responses = joins.map((join) => join.response!);
    const { generationId, leader } = responses[0];
    const members = responses
      .map(({ memberId }) => memberId)
      .sort((a, b) => +(b === leader) - +(a === leader));
    const groupId = options.groupId ?? 'g';
    const assignments = Object.fromEntries(members.map((memberId) => [memberId, memberId]));
    const syncs = members.map((memberId) =>
      this.sync({ groupId, memberId, generationId, assignments: memberId === leader ? assignments : {} }),
    );
    for (const each of syncs) await this.settle(each);
    return { members, generationId };
  }

  async settle<R>(started: Call<R>): Promise<R> {
    return this.time.settle(started.promise);
  }

  describe(groupId = 'g', apiVersion = 6): ReturnType<GroupCoordinator['describeGroups']>[number] {
    return this.coordinator.describeGroups({ apiVersion, clientId: '', clientHost: '' }, [groupId])[0];
  }

  /** The group's state as DescribeGroups names it. */
  state(groupId = 'g'): string {
    return this.describe(groupId).groupState;
  }
}

/** A request under way. `response` is undefined until it is answered. */
export interface Call<R> {
  readonly promise: Promise<R>;
  response: R | undefined;
}

export function call<R>(promise: Promise<R>): Call<R> {
  const started: Call<R> = { promise, response: undefined };
  void promise.then((response) => {
    started.response = response;
  });
  return started;
}

export type JoinOptions = Partial<JoinGroupRequest> & { apiVersion?: number; clientId?: string };

export interface CommitOptions extends Partial<Omit<OffsetCommitRequest, 'topics'>> {
  readonly apiVersion?: number;
  readonly topic?: string;
  readonly topicId?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly metadata?: string | null;
  readonly leaderEpoch?: number;
}

/** What a consumer subscribed to these topics says of itself. */
export function subscription(...topics: string[]): Buffer {
  const writer = new Writer();
  writer.int16(0);
  codec(ConsumerProtocolSubscription, 0).write(writer, { topics, ownedPartitions: [] });
  return writer.toBuffer();
}

const JOIN: JoinGroupRequest = {
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: subscription('t') }],
  reason: null,
};

const COMMIT = {
  groupId: 'g',
  generationIdOrMemberEpoch: -1,
  memberId: '',
  groupInstanceId: null,
  retentionTimeMs: -1,
};
