/**
 * A process full of consumer groups. Each member has a connection to its coordinator, and one to read from when it has
 * partitions, as a real client; each group reads its own topic. The run is over when every batch has come; then what the
 * groups have committed must be where they stand.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { WireClient } from '../../wire-client.ts';
import { nowMicros } from './clock.ts';
import { FetchSession } from '../fetch-session.ts';
import { FrameConnection } from '../frame-connection.ts';
import { GroupMember } from './group-member.ts';
import type { GroupRun, Target } from './messages.ts';
import { batchBytesOf, stampPosition } from './produce-frame.ts';
import { SampleBuffer, cpuSeconds, fail, send, serveRuns } from './worker-port.ts';

/** The Java consumer's defaults. */
const HEARTBEAT_MS = 3_000;
const COMMIT_MS = 5_000;
/** While groups form, so that latecomers do not take long. */
const FORMING_HEARTBEAT_MS = 300;
const FORMING_MS_MAX = 120_000;

interface Active {
  readonly member: GroupMember;
  readonly connection: FrameConnection | undefined;
  readonly session: FetchSession;
}

function offsetsOf({ session }: Active): Map<number, number> {
  return new Map([...session.positions()].map(({ partition, nextOffset }) => [partition, nextOffset]));
}

/** Until all members are in one generation, and know it. */
async function form(port: number, target: Target, count: number): Promise<GroupMember[]> {
  const groupId = `group-of-${target.topic}`;
  const members: GroupMember[] = [];
  for (let n = 0; n < count; n++) {
    members.push(new GroupMember(await WireClient.connect('127.0.0.1', port), { groupId, target }));
  }
  const until = performance.now() + FORMING_MS_MAX;
  const check = (): void => {
    if (performance.now() > until) throw new Error(`${groupId} did not form within ${FORMING_MS_MAX} ms`);
  };
  while (!(await members[0].isServed())) {
    check();
    await delay(50);
  }
  await Promise.all(members.map((member) => member.join()));
  const isWhole = (): boolean => {
    const leader = members.find(({ memberCount }) => memberCount === count);
    return leader !== undefined && members.every(({ generationId }) => generationId === leader.generationId);
  };
  while (!isWhole()) {
    check();
    await delay(FORMING_HEARTBEAT_MS);
    await Promise.all(
      members.map(async (member) => {
        if (!(await member.heartbeat())) await member.join();
      }),
    );
  }
  const assigned = members.flatMap(({ partitions }) => partitions).sort((a, b) => a - b);
  if (assigned.length !== target.partitions || assigned.some((partition, index) => partition !== index)) {
    throw new Error(`the partitions of ${target.topic} are not assigned once each: ${assigned.join(' ')}`);
  }
  return members;
}

async function activate(port: number, member: GroupMember, topic: string): Promise<Active> {
  const committed = await member.committed();
  const places = member.partitions.map((partition) => [topic, partition, committed.get(partition)!] as const);
  const connection = places.length === 0 ? undefined : await FrameConnection.connect(port);
  return { member, connection, session: new FetchSession(places) };
}

/** Heartbeats and commits until `isOver`; the first after a part of the pause, so that members do not speak in chorus. */
async function stay(active: Active, isOver: () => boolean): Promise<void> {
  const { member } = active;
  await delay(Math.random() * HEARTBEAT_MS);
  for (let committedAt = performance.now() - Math.random() * COMMIT_MS; !isOver();) {
    if (!(await member.heartbeat())) throw new Error('a group was rebalanced although nobody came or went');
    if (active.connection !== undefined && performance.now() - committedAt >= COMMIT_MS) {
      committedAt = performance.now();
      await member.commit(offsetsOf(active));
    }
    await delay(HEARTBEAT_MS);
  }
}

async function leaveBehind(active: Active): Promise<void> {
  active.connection?.close();
  const reached = offsetsOf(active);
  if (reached.size > 0) {
    await active.member.commit(reached);
    for (const [partition, offset] of await active.member.committed()) {
      if (offset !== reached.get(partition))
        throw new Error(`partition ${partition}: another offset is committed`);
    }
  }
  active.member.close();
}

async function prepare(run: GroupRun): Promise<(startMicros: number) => void> {
  const stampAt = stampPosition(run.shape);
  const batchBytes = batchBytesOf(run.shape);
  const groups = await Promise.all(
    run.targets.map(async (target) => {
      const members = await form(run.port, target, run.membersPerGroup);
      return Promise.all(members.map((member) => activate(run.port, member, target.topic)));
    }),
  );
  const all = groups.flat();
  // Heartbeats go on from here, since the producers take their time to connect.
  let isOver = false;
  const staying = all.map((active) => stay(active, () => isOver));
  for (const one of staying) one.catch(fail);

  return (startMicros) => {
    const cpuBefore = cpuSeconds();
    const samples = new SampleBuffer();
    const measuredFrom = startMicros + run.warmupSeconds * 1e6;
    let seen = 0;
    const end = async (): Promise<void> => {
      isOver = true;
      await Promise.all(staying);
      await Promise.all(all.map(leaveBehind));
      samples.close();
      const used = cpuSeconds() - cpuBefore;
      send({ kind: 'done', requests: seen, unanswered: 0, drainMs: 0, cpuSeconds: used });
    };
    for (const { connection, session } of all) {
      if (connection === undefined) continue;
      connection.onLost = fail;
      connection.onFrame = (frame) => {
        const now = nowMicros();
        const before = seen;
        session.take(frame, (buffer, at, sizeBytes) => {
          const stamp = buffer.readDoubleBE(at + stampAt);
          if (sizeBytes !== batchBytes || !(stamp >= startMicros && stamp <= now)) {
            throw new Error(`a batch of ${sizeBytes} bytes with time ${stamp} is not of this run`);
          }
          if (stamp >= measuredFrom) samples.latency((now - stamp) / 1_000);
          samples.completed(sizeBytes);
          seen++;
        });
        if (seen < run.batches) connection.write(session.request());
        else if (before < run.batches) end().catch(fail);
      };
      connection.write(session.request());
    }
  };
}

serveRuns(prepare);
