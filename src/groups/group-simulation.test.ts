/**
 * Members that join, leave, crash, restart and commit at random, against a coordinator whose log fails, lags behind and
 * moves to another broker at random. A failing seed is printed; run it alone with `run(seed)`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journal } from '../coordinator/journal.ts';
import { MemoryLog } from '../coordinator/memory-log.ts';
import { decodeRecord } from '../coordinator/record.ts';
import { Errors } from '../protocol/errors.ts';
import { forEachRecord } from '../protocol/records.ts';
import { lastOffset } from '../protocol/record-batch.ts';
import { SimulatedTime } from '../runtime/simulated-clock.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { GroupMachine } from './group-machine.ts';
import { GROUP_RECORD_FORMATS } from './group-records.ts';
import { newGroupState } from './group-state.ts';
import { Scene, subscription, type Call } from './group-scene-contract.ts';

const SEEDS = 25;
const FAULTY_MS = 240_000;
/** After the faults: all sessions, rebalances and new members have timed out, or have settled. */
const CALM_MS = 15 * 60_000;
const PARTITIONS = [0, 1, 2, 3, 4, 5];
const LIMITS = { maxDecompressedBytes: 1 << 20 };

interface World {
  readonly random: SimulatedRandom;
  readonly time: SimulatedTime;
  scene: Scene;
  isFaulty: boolean;
  readonly calls: Call<unknown>[];
  /** Partition owners of each generation that was handed out: generation, partition, member. */
  readonly owners: Map<number, Map<number, string>>;
  generation: number;
  /** By partition: the last value that was sent, and the last that was acknowledged. */
  readonly sent: Map<number, number>;
  readonly acknowledged: Map<number, number>;
  readonly seen: Map<number, number>;
  syncs: number;
  commits: number;
}

function sleep(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => void world.time.schedule(ms, resolve));
}

/** One process that is or becomes a member, until it is told to stop. */
async function member(world: World, instanceId: string | null, until: () => boolean): Promise<void> {
  const { random } = world;
  const protocols = () => [
    { name: 'range', metadata: subscription('t', ...(random.chance(0.1) ? ['u'] : [])) },
  ];
  let memberId = '';
  while (!until()) {
    if (random.chance(0.05)) await sleep(world, random.between(1, 20_000));
    const join = world.scene.join({
      memberId,
      groupInstanceId: instanceId,
      protocols: protocols(),
      sessionTimeoutMs: 6000,
      rebalanceTimeoutMs: random.between(5000, 15_000),
    });
    world.calls.push(join);
    if (random.chance(0.03)) return; // crashes while it waits
    const joined = await join.promise;
    if (joined.errorCode === Errors.MEMBER_ID_REQUIRED) memberId = joined.memberId;
    if (joined.errorCode === Errors.UNKNOWN_MEMBER_ID || joined.errorCode === Errors.FENCED_INSTANCE_ID)
      memberId = '';
    if (joined.errorCode !== Errors.NONE) {
      await sleep(world, random.between(1, 200));
      continue;
    }
    memberId = joined.memberId;
    const { generationId } = joined;
    if (random.chance(0.1)) await sleep(world, random.between(1, 20_000));
    const assignments: Record<string, string> = {};
    if (joined.leader === memberId && !joined.skipAssignment) {
      for (const { memberId: id } of joined.members) assignments[id] = '';
      const ids = Object.keys(assignments);
      for (const partition of PARTITIONS) assignments[ids[partition % ids.length]] += `${partition},`;
    }
    const sync = world.scene.sync({ memberId, generationId, groupInstanceId: instanceId, assignments });
    world.calls.push(sync);
    const synced = await sync.promise;
    if (synced.errorCode !== Errors.NONE) {
      if (synced.errorCode === Errors.UNKNOWN_MEMBER_ID) memberId = '';
      await sleep(world, random.between(1, 200));
      continue;
    }
    const owned = synced.assignment.toString().split(',').filter(Boolean).map(Number);
    assigned(world, { generationId, memberId, instanceId, owned });
    if (await work(world, { memberId, generationId, groupInstanceId: instanceId, owned }, until)) return;
  }
  await leave(world, memberId, instanceId);
}

function leave(world: World, memberId: string, groupInstanceId: string | null): Promise<unknown> {
  const request = { groupId: 'g', memberId: '', members: [{ memberId, groupInstanceId, reason: null }] };
  return world.scene.coordinator.leaveGroup({ apiVersion: 5, clientId: 'c', clientHost: 'h' }, request);
}

/** Heartbeats and commits until the generation is over. True: it crashed, or has left. */
async function work(
  world: World,
  me: { memberId: string; generationId: number; groupInstanceId: string | null; owned: number[] },
  until: () => boolean,
): Promise<boolean> {
  const { random } = world;
  const { memberId, generationId, groupInstanceId } = me;
  for (;;) {
    await sleep(world, random.between(100, 2500));
    if (until()) return false;
    if (world.isFaulty && random.chance(0.01)) return true;
    if (world.isFaulty && random.chance(0.01)) {
      await leave(world, memberId, groupInstanceId);
      return true;
    }
    for (const partition of me.owned) {
      if (!random.chance(0.3)) continue;
      const offset = (world.sent.get(partition) ?? 0) + 1;
      world.sent.set(partition, offset);
      const request = {
        partition,
        offset,
        memberId,
        groupInstanceId,
        generationIdOrMemberEpoch: generationId,
      };
      void world.scene.startCommit(request).then(([{ partitions }]) => {
        if (partitions[0].errorCode !== Errors.NONE) return;
        world.commits++;
        world.acknowledged.set(partition, Math.max(offset, world.acknowledged.get(partition) ?? 0));
      });
    }
    const beat = { groupId: 'g', memberId, generationId, groupInstanceId };
    const { errorCode } = await world.scene.coordinator.heartbeat(beat);
    if (errorCode !== Errors.NONE && errorCode !== Errors.NOT_COORDINATOR) return false;
  }
}

/** The invariants of assignments: generations go up, and each partition has one owner in each of them. */
function assigned(
  world: World,
  to: { generationId: number; memberId: string; instanceId: string | null; owned: number[] },
): void {
  world.syncs++;
  assert.ok(to.generationId >= world.generation, `generation ${to.generationId} after ${world.generation}`);
  world.generation = to.generationId;
  const owners = world.owners.get(to.generationId) ?? new Map<number, string>();
  world.owners.set(to.generationId, owners);
  // A static member keeps its partitions when it comes back under another member id.
  const owner = to.instanceId ?? to.memberId;
  for (const partition of to.owned) {
    assert.equal(
      owners.get(partition) ?? owner,
      owner,
      `partition ${partition} in generation ${to.generationId}`,
    );
    owners.set(partition, owner);
  }
}

/** What a broker that only reads the committed log knows. */
class Replica {
  readonly machine: GroupMachine;
  readonly journal = new Journal();
  #next = 0;

  constructor(scene: Scene) {
    const options = { settings: () => scene.settings, newId: () => '' };
    this.machine = new GroupMachine(newGroupState(this.journal, options));
  }

  follow(log: MemoryLog): void {
    for (const batch of log.batches) {
      if (lastOffset(batch) < this.#next || lastOffset(batch) >= log.highWatermark()) continue;
      forEachRecord(
        batch,
        ({ offset, key, value }) => {
          const record = decodeRecord(GROUP_RECORD_FORMATS, key!, value);
          assert.ok(!('skipped' in record));
          this.journal.at(offset);
          this.machine.replay(record, { offset, producerId: -1, producerEpoch: -1 });
        },
        LIMITS,
      );
      this.#next = lastOffset(batch) + 1;
      this.journal.commitTo(this.#next);
    }
  }
}

/** What clients can see now is what the committed log says. */
async function check(world: World, replica: Replica): Promise<void> {
  const { scene } = world;
  const { log } = scene;
  replica.follow(log);
  const request = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null };
  const { errorCode, topics } = await scene.coordinator.fetchOffsets(request, false);
  if (errorCode !== Errors.NONE) return;
  for (const { partitionIndex, committedOffset } of topics[0]?.partitions ?? []) {
    const known = replica.machine.state.offsets.get({ groupId: 'g', topic: 't', partition: partitionIndex });
    assert.equal(committedOffset, known?.offset, `offset of partition ${partitionIndex}`);
    const least = Math.max(world.seen.get(partitionIndex) ?? 0, world.acknowledged.get(partitionIndex) ?? 0);
    assert.ok(
      committedOffset >= least,
      `offset ${committedOffset} of partition ${partitionIndex} after ${least}`,
    );
    world.seen.set(partitionIndex, committedOffset);
  }
  const replayed = replica.machine.state.groups.get('g');
  const { groupState, members } = scene.describe();
  assert.equal(groupState === 'Dead', replayed === undefined);
  // While records are under way the live group may be ahead of what is committed.
  if (groupState !== 'Stable' || log.highWatermark() < log.logEndOffset()) return;
  assert.deepEqual(
    members.map(({ memberId, memberAssignment }) => [memberId, memberAssignment.toString()]).sort(),
    [...replayed!.members.values()]
      .map(({ memberId, assignment }) => [memberId, assignment.toString()])
      .sort(),
  );
}

/** Another broker takes over, with all that is committed and some of what is not. */
async function failOver(world: World, epoch: number): Promise<void> {
  const { scene, random } = world;
  const log = new MemoryLog();
  const end = random.between(scene.log.highWatermark(), scene.log.logEndOffset());
  for (const batch of scene.log.batches) if (lastOffset(batch) < end) log.append(Buffer.from(batch));
  scene.coordinator.shutdown();
  const next = new Scene({ seed: `${epoch}`, log, time: world.time });
  next.settings = scene.settings;
  world.scene = next;
  await next.coordinator.onElection(0, epoch, log);
}

async function run(seed: number): Promise<World> {
  const time = new SimulatedTime({ seed });
  const random = new SimulatedRandom(seed);
  const scene = new Scene({ seed, time });
  const world: World = {
    random,
    time,
    scene,
    isFaulty: true,
    calls: [],
    owners: new Map(),
    generation: 0,
    sent: new Map(),
    acknowledged: new Map(),
    seen: new Map(),
    syncs: 0,
    commits: 0,
  };
  await scene.elect(0);
  const replica = new Replica(scene);
  const failures: unknown[] = [];
  const isOver = (): boolean => time.nowMs() > FAULTY_MS + CALM_MS / 2;
  const process = async (instanceId: string | null): Promise<void> => {
    for (;;) {
      await member(world, instanceId, isOver);
      if (isOver()) return;
      await sleep(world, random.between(100, 15_000));
    }
  };
  for (const instanceId of [null, null, null, 'i1', 'i2'])
    process(instanceId).catch((error) => failures.push(error));

  let epoch = 0;
  while (time.nowMs() < FAULTY_MS) {
    await time.advance(random.between(1, 300));
    const { log } = world.scene;
    if (random.chance(0.02)) log.isCommittedAtOnce = !log.isCommittedAtOnce;
    if (random.chance(0.3)) log.commit();
    if (random.chance(0.02)) log.appendError = random.chance(0.4) ? Errors.NOT_ENOUGH_REPLICAS : 0;
    if (random.chance(0.004)) await time.settle(failOver(world, ++epoch));
    await check(world, replica);
    if (failures.length > 0) throw failures[0];
  }
  world.isFaulty = false;
  while (time.nowMs() < FAULTY_MS + CALM_MS) {
    const { log } = world.scene;
    log.isCommittedAtOnce = true;
    log.appendError = 0;
    log.commit();
    await time.advance(2000);
    await check(world, replica);
    if (failures.length > 0) throw failures[0];
  }
  assert.equal(
    world.calls.filter(({ response }) => response === undefined).length,
    0,
    'calls without an answer',
  );
  assert.equal(world.scene.state(), 'Empty');
  return world;
}

test('members come and go at random, and no invariant of groups breaks', async () => {
  let [syncs, commits, generations] = [0, 0, 0];
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const world = await run(seed);
      syncs += world.syncs;
      commits += world.commits;
      generations += world.owners.size;
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  // The simulation did something: members got assignments in many generations, and committed.
  assert.ok(generations > SEEDS * 5, `${generations} generations`);
  assert.ok(syncs > SEEDS * 20, `${syncs} assignments`);
  assert.ok(commits > SEEDS * 50, `${commits} commits`);
});

test('a simulation is a function of its seed', async () => {
  const hashes = [(await run(7)).time.traceHash(), (await run(7)).time.traceHash()];
  assert.equal(hashes[0], hashes[1]);
});
