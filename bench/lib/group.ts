/**
 * Classic consumer groups as clients make them, on the wire: every member has a connection of its own and does JoinGroup,
 * SyncGroup and Heartbeat. Members learn of a rebalance as soon as there is one to learn of: the leader asks with heartbeats
 * a millisecond apart, and once it is told, every other member sends a heartbeat, is told too, and joins again. So what is
 * measured is the broker's part, and not how long clients wait between two heartbeats.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Errors } from '../../src/protocol/errors.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../src/protocol/messages/11-join-group.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import { LeaveGroupRequest, LeaveGroupResponse } from '../../src/protocol/messages/13-leave-group.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../src/protocol/messages/14-sync-group.ts';
import { Writer } from '../../src/protocol/wire.ts';
import type { WireClient } from '../wire-client.ts';
import { connectMany } from './connections.ts';

const SESSION_TIMEOUT_MS = 45_000;
const REBALANCE_TIMEOUT_MS = 60_000;
const LEADER_ASKS_EVERY_MS = 1;
const COORDINATOR_MS_MAX = 60_000;
const METADATA = subscription('orders-of-the-benchmark');
/** About what a few partitions of a topic take. */
const ASSIGNMENT_BYTES = 60;
const NOT_YET: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.NOT_COORDINATOR,
]);
const AGAIN: ReadonlySet<number> = new Set([Errors.REBALANCE_IN_PROGRESS, Errors.ILLEGAL_GENERATION]);

/** A consumer's subscription, version 1; coordinators read it. */
function subscription(topic: string): Buffer {
  const writer = new Writer();
  writer.int16(1);
  writer.int32(1);
  writer.string(topic);
  // No user data, no owned partitions.
  writer.int32(-1);
  writer.int32(0);
  return writer.toBuffer();
}

class Member {
  readonly client: WireClient;
  readonly #groupId: string;
  memberId = '';
  generationId = -1;
  isLeader = false;

  constructor(client: WireClient, groupId: string) {
    this.client = client;
    this.#groupId = groupId;
  }

  /** Resolves when the broker has all members together; how many there are, for the leader. */
  async join(): Promise<string[]> {
    const body = {
      groupId: this.#groupId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: METADATA }],
    };
    const call = () =>
      this.client.call(JoinGroupRequest, JoinGroupResponse, {
        version: 7,
        body: { ...body, memberId: this.memberId },
      });
    let answer = await call();
    if (answer.errorCode === Errors.MEMBER_ID_REQUIRED) {
      this.memberId = answer.memberId;
      answer = await call();
    }
    if (answer.errorCode !== 0) throw new Error(`JoinGroup of ${this.#groupId}: ${answer.errorCode}`);
    this.memberId = answer.memberId;
    this.generationId = answer.generationId;
    this.isLeader = answer.leader === this.memberId;
    return answer.members.map(({ memberId }) => memberId);
  }

  /** False when the next rebalance has begun already. Throws when the assignment is not the one meant for this member. */
  async sync(members: readonly string[]): Promise<boolean> {
    const assignments = members.map((memberId) => ({ memberId, assignment: assignmentFor(memberId) }));
    const answer = await this.client.call(SyncGroupRequest, SyncGroupResponse, {
      version: 5,
      body: { ...this.#identity(), protocolType: 'consumer', protocolName: 'range', assignments },
    });
    if (AGAIN.has(answer.errorCode)) return false;
    if (answer.errorCode !== 0) throw new Error(`SyncGroup of ${this.#groupId}: ${answer.errorCode}`);
    if (!assignmentFor(this.memberId).equals(answer.assignment)) {
      throw new Error(`${this.memberId} received an assignment that is not its own`);
    }
    return true;
  }

  /** Whether the group is as this member knows it. */
  async heartbeat(): Promise<boolean> {
    const body = this.#identity();
    const answer = await this.client.call(HeartbeatRequest, HeartbeatResponse, { version: 4, body });
    if (AGAIN.has(answer.errorCode)) return false;
    if (answer.errorCode !== 0) throw new Error(`Heartbeat in ${this.#groupId}: ${answer.errorCode}`);
    return true;
  }

  async leave(): Promise<void> {
    const { memberId } = this;
    const body = { groupId: this.#groupId, memberId, members: [{ memberId }] };
    const answer = await this.client.call(LeaveGroupRequest, LeaveGroupResponse, { version: 4, body });
    const errorCode = answer.errorCode || (answer.members[0]?.errorCode ?? 0);
    if (errorCode !== 0) throw new Error(`LeaveGroup of ${this.#groupId}: ${errorCode}`);
    this.memberId = '';
  }

  #identity() {
    return { groupId: this.#groupId, generationId: this.generationId, memberId: this.memberId };
  }
}

/** Every member has another one, so that a mix-up shows. */
function assignmentFor(memberId: string): Buffer {
  const assignment = Buffer.alloc(ASSIGNMENT_BYTES);
  assignment.write(memberId, 'latin1');
  return assignment;
}

export class Group {
  readonly #members: Member[];
  /** The generation in which everybody who should be there has an assignment. */
  #settled = -1;
  /** Resolves for a generation when its leader knows that it is the settled one, or over. */
  readonly #known = new Map<number, PromiseWithResolvers<void>>();

  private constructor(members: Member[]) {
    this.#members = members;
  }

  /** Connects the members and waits for the coordinator; nobody joins yet. */
  static async connect(port: number, options: { groupId: string; members: number }): Promise<Group> {
    const clients = await connectMany(port, options.members);
    await coordinatorServes(clients[0]!, options.groupId);
    return new Group(clients.map((client) => new Member(client, options.groupId)));
  }

  /** All members join for the first time. Milliseconds from the last one's first request until all have an assignment. */
  async form(): Promise<number> {
    const expected = this.#members.length;
    const done = Promise.all(this.#members.map((member) => this.#settle(member, expected)));
    // Each member has sent its first request by now, before anything waited.
    const startedAt = performance.now();
    await done;
    return performance.now() - startedAt;
  }

  /**
   * The last member that does not lead leaves, or comes back when it has left. Milliseconds from its request until everybody
   * in the group has an assignment.
   */
  async leave(): Promise<number> {
    const leaver = this.#members.findLast(({ isLeader }) => !isLeader)!;
    const others = this.#members.filter((member) => member !== leaver);
    const startedAt = performance.now();
    await Promise.all([leaver.leave(), this.#again(others, others.length)]);
    return performance.now() - startedAt;
  }

  async comeBack(): Promise<number> {
    const leaver = this.#members.find(({ memberId }) => memberId === '')!;
    const others = this.#members.filter((member) => member !== leaver);
    const expected = this.#members.length;
    const startedAt = performance.now();
    await Promise.all([this.#settle(leaver, expected), this.#again(others, expected)]);
    return performance.now() - startedAt;
  }

  /**
   * Each member of a settled group sends a heartbeat every `intervalMs`, spread evenly, until the signal. Throws when the
   * group is no longer as it was.
   */
  async heartbeatsEvery(intervalMs: number, signal: AbortSignal): Promise<void> {
    const pauseMs = intervalMs / this.#members.length;
    for (let turn = 0, dueMs = performance.now(); !signal.aborted; turn++, dueMs += pauseMs) {
      const member = this.#members[turn % this.#members.length]!;
      if (!(await member.heartbeat())) throw new Error('an idle group was told to join again');
      await delay(Math.max(0, dueMs + pauseMs - performance.now()));
    }
  }

  close(): void {
    for (const { client } of this.#members) client.close();
  }

  /** Members of a settled group find out that it is no more, and settle anew. */
  async #again(members: readonly Member[], expected: number): Promise<void> {
    const leader = members.find(({ isLeader }) => isLeader)!;
    while (await leader.heartbeat()) await delay(LEADER_ASKS_EVERY_MS);
    await Promise.all(
      members.map(async (member) => {
        if (member !== leader) await learns(member);
        await this.#settle(member, expected);
      }),
    );
  }

  /** Joins and synchronizes until the generation has the expected number of members. */
  async #settle(member: Member, expected: number): Promise<void> {
    for (;;) {
      const members = await member.join();
      const generation = member.generationId;
      const isAssigned = await member.sync(members);
      if (member.isLeader) {
        if (isAssigned && members.length === expected) this.#settled = generation;
        else if (isAssigned) while (await member.heartbeat()) await delay(LEADER_ASKS_EVERY_MS);
        this.#knownFor(generation).resolve();
      } else if (isAssigned) {
        await this.#knownFor(generation).promise;
        if (generation !== this.#settled) await learns(member);
      }
      if (generation === this.#settled) return;
    }
  }

  #knownFor(generation: number): PromiseWithResolvers<void> {
    let known = this.#known.get(generation);
    if (known === undefined) this.#known.set(generation, (known = Promise.withResolvers()));
    return known;
  }
}

async function learns(member: Member): Promise<void> {
  if (await member.heartbeat()) throw new Error(`${member.memberId} was told otherwise than its leader`);
}

/** The first group of a broker makes the offsets topic, whose partitions must be led and loaded before anybody may join. */
async function coordinatorServes(client: WireClient, groupId: string): Promise<void> {
  const heartbeat = { groupId, generationId: -1, memberId: 'nobody' };
  for (const until = performance.now() + COORDINATOR_MS_MAX; performance.now() < until; await delay(20)) {
    const body = { key: groupId, keyType: 0, coordinatorKeys: [] };
    const found = await client.call(FindCoordinatorRequest, FindCoordinatorResponse, { version: 3, body });
    if (NOT_YET.has(found.errorCode)) continue;
    if (found.errorCode !== 0) throw new Error(`FindCoordinator: ${found.errorCode}`);
    const options = { version: 4, body: heartbeat };
    const { errorCode } = await client.call(HeartbeatRequest, HeartbeatResponse, options);
    if (errorCode === Errors.UNKNOWN_MEMBER_ID) return;
    // While it loads, Kafka says that all is well, so that nobody leaves for that.
    if (errorCode !== 0 && !NOT_YET.has(errorCode)) throw new Error(`Heartbeat of nobody: ${errorCode}`);
  }
  throw new Error(`no coordinator for ${groupId} within ${COORDINATOR_MS_MAX} ms`);
}
