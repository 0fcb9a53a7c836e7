/**
 * Three replicas of one partition, their metadata store, and everything that may happen to them: cuts between any two, or
 * from the store; delays; crashes with loss of what was not synced; pauses; elections at any time; records deleted at the
 * start. At the end everything heals, and the three must become one.
 */
import type { Logger } from '../../../src/base/ports.ts';
import { codec } from '../../../src/protocol/compile.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { NO_BROKER_CONFIGS } from '../../../src/metadata/configs/resolve.ts';
import { topicSettings, type TopicSettings } from '../../../src/metadata/configs/topic-settings.ts';
import { settle, unsettled } from '../../../src/metadata/controller/elections.ts';
import { isAlive, putPartition } from '../../../src/metadata/controller/partition-change.ts';
import { follow } from '../../../src/metadata/follow.ts';
import { ClusterImage } from '../../../src/metadata/image.ts';
import { topicKey } from '../../../src/metadata/keys.ts';
import { MemoryStoreServer } from '../../../src/metadata/memory-store.ts';
import { answer, Change } from '../../../src/metadata/outcome.ts';
import { encodeRecord, TopicRecord } from '../../../src/metadata/records.ts';
import { transact } from '../../../src/metadata/transact.ts';
import { Reader, Writer } from '../../../src/protocol/wire.ts';
import { PeerUnavailable, type PeerRequest, type Peers } from '../../../src/rpc/peers.ts';
import { SimulatedProcess, SimulatedTime } from '../../../src/runtime/simulated-clock.ts';
import { SimulatedNetwork } from '../../../src/runtime/simulated-network.ts';
import { simulatedPorts, type SimulatedPorts } from '../../../src/runtime/simulated-ports.ts';
import { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import * as header from '../../../src/protocol/record-batch.ts';
import { Anomaly, Ledger, Shadow } from './ledger.ts';
import { ReplicaNode, rulesOf } from './replica-node.ts';
import { batchOf } from './values.ts';

const NODES = [1, 2, 3];
const TOPIC_ID = 'T'.repeat(16);
/** What lent bytes are filled with once they have been used. */
const USED_UP = 0xdd;
const VERSION = 18;
const FAULTS_MS = 2_500;
/** The metadata store lets a request wait for five seconds, and the next may be of no more use. */
const HEALED_MS = 30_000;

export interface Plan {
  readonly minInsyncReplicas: number;
  readonly durability: 'fsync' | 'relaxed';
  readonly segmentBytes: number;
  /** Which faults there are. */
  readonly cuts: boolean;
  readonly storeCuts: boolean;
  readonly crashes: boolean;
  readonly pauses: boolean;
  readonly elections: boolean;
  readonly deletions: boolean;
  readonly indeterminate: number;
}

export interface Result {
  readonly seed: number;
  readonly plan: Plan;
  readonly anomaly: string | undefined;
  readonly acked: number;
  readonly committed: number;
  readonly leaderEpochs: number;
  readonly trace: string;
}

function planOf(random: SimulatedRandom): Plan {
  const may = (): boolean => random.float() < 0.6;
  return {
    minInsyncReplicas: random.between(1, 2),
    durability: random.float() < 0.7 ? 'fsync' : 'relaxed',
    segmentBytes: random.float() < 0.5 ? 400 : 1 << 20,
    cuts: may(),
    storeCuts: may(),
    crashes: may(),
    pauses: may(),
    elections: may(),
    deletions: random.float() < 0.3,
    indeterminate: random.float() < 0.4 ? 0.2 : 0,
  };
}

/** `logger`: hears what the replicas say. */
export async function simulateReplication(seed: number, logger?: Logger): Promise<Result> {
  const world = new World(seed, logger);
  let anomaly: string | undefined;
  try {
    await world.run();
  } catch (error) {
    anomaly = error instanceof Anomaly ? error.message : String((error as Error).stack);
  } finally {
    world.end();
  }
  return {
    seed,
    plan: world.plan,
    anomaly,
    acked: world.ledger.ackedCount,
    committed: world.ledger.committed.length,
    leaderEpochs: world.leaderEpoch,
    trace: world.time.traceHash(),
  };
}

interface Place {
  ports: SimulatedPorts;
  node: ReplicaNode | undefined;
  shadow: Shadow | undefined;
  lives: number;
}

class World {
  readonly time: SimulatedTime;
  readonly ledger = new Ledger();
  readonly plan: Plan;
  leaderEpoch = 0;
  readonly #random: SimulatedRandom;
  readonly #store: MemoryStoreServer;
  readonly #places = new Map<number, Place>();
  readonly #settings: TopicSettings;
  readonly #image = new ClusterImage();
  /** Pairs `from-to` of nodes between which nothing passes. */
  readonly #cut = new Set<string>();
  #acks: { offset: number; value: string }[] = [];
  #watermarks = new Map<string, number>();
  #checked = -1;
  #highest = 0;
  #produced = 0;
  #isHealed = false;

  constructor(seed: number, logger?: Logger) {
    this.time = new SimulatedTime({ seed });
    this.#random = new SimulatedRandom(`replication ${seed}`);
    this.plan = planOf(this.#random.fork('plan'));
    const network = new SimulatedNetwork({ time: this.time, seed });
    for (const nodeId of NODES) {
      const ports = simulatedPorts({
        seed,
        host: `n${nodeId}`,
        time: this.time,
        network,
        disk: { syncLatencyMs: 1 + nodeId },
        ...(logger === undefined ? {} : { logger: logger.child({ node: nodeId }) }),
      });
      this.#places.set(nodeId, { ports, node: undefined, shadow: undefined, lives: 0 });
    }
    const { timers } = new SimulatedProcess(this.time);
    this.#store = new MemoryStoreServer({ timers, random: this.#random.fork('store') });
    const { minInsyncReplicas, durability, segmentBytes } = this.plan;
    const defaults = topicSettings(new Map(), NO_BROKER_CONFIGS);
    this.#settings = { ...defaults, minInsyncReplicas, durability, segmentBytes, fileDeleteDelayMs: 100 };
  }

  async run(): Promise<void> {
    const { time } = this;
    const settled = this.#begin();
    await time.settle(settled);
    this.#store.faults.latencyMs = { min: 0.2, max: 3 };
    this.#store.faults.watchLagMs = { min: 0, max: 15 };
    this.#store.faults.indeterminate = this.plan.indeterminate;
    let failure: unknown;
    time.afterEvent = () => {
      try {
        this.#check();
      } catch (error) {
        failure ??= error;
      }
    };
    this.#every(4, () => this.#produce());
    this.#every(20, () => this.#stir());
    for (let ms = 0; ms < FAULTS_MS && failure === undefined; ms += 100) await time.advance(100);
    this.#heal();
    const isOne = (): boolean => failure !== undefined || this.#isOne();
    const didHeal = await time.runUntil(isOne, HEALED_MS);
    if (failure !== undefined) throw failure;
    if (!didHeal) throw new Anomaly(`not in sync ${HEALED_MS} ms after the last fault: ${this.#describe()}`);
    for (const { shadow } of this.#places.values()) this.ledger.mustHoldAll(shadow!);
  }

  end(): void {
    this.time.afterEvent = () => {};
    for (const { node } of this.#places.values()) node?.release();
  }

  async #begin(): Promise<void> {
    const { timers, clock } = new SimulatedProcess(this.time);
    const store = this.#store.connect({ timers, clock });
    const replicas = this.#shuffled(NODES);
    const partitions = [{ replicas, isr: replicas, directories: [] }];
    const value = encodeRecord(TopicRecord, { topicId: TOPIC_ID, partitions });
    await store.txn([], [{ type: 'put', key: topicKey('t'), value }]);
    await follow(store, this.#image, { timers, logger: this.#places.get(1)!.ports.logger });
    await Promise.all(NODES.map((nodeId) => this.#startNode(nodeId)));
    // What the controller does when brokers come and go.
    this.#every(25, () => {
      const rules = rulesOf(this.#settings);
      transact(store, this.#image, () => settle(this.#image, unsettled(this.#image, rules), rules)).catch(
        () => {},
      );
    });
    this.#every(60, () => {
      if (this.plan.elections && !this.#isHealed && this.#random.float() < 0.3) {
        transact(store, this.#image, () => this.#electAny()).catch(() => {});
      }
    });
  }

  #electAny() {
    const topic = this.#image.topics.get('t')!;
    const partition = topic.partitions[0]!;
    const others = partition.isr.filter((id) => id !== partition.leader && isAlive(this.#image, id));
    if (others.length === 0) return answer(undefined);
    const change = new Change();
    putPartition(change, this.#image, topic, partition, { leader: this.#oneOf(others) });
    return change.decide(undefined);
  }

  async #startNode(nodeId: number): Promise<void> {
    const place = this.#places.get(nodeId)!;
    const node = new ReplicaNode(place.ports, {
      nodeId,
      server: this.#store,
      settings: this.#settings,
      peers: (from) => this.#peers(from),
    });
    place.node = node;
    place.lives += 1;
    place.shadow = undefined;
    await node.start((partition) => {
      const shadow = new Shadow(partition.log!, this.ledger);
      for (const file of filesOf(place.ports, partition.log!.folder)) shadow.add(file);
      shadow.entries.length = partition.logEndOffset;
      place.shadow = shadow;
      // One event may bring a watermark and the end of the leadership.
      partition.onHighWatermark((highWatermark) => {
        if (partition.isLeader) this.#committed(shadow, highWatermark);
      });
    });
  }

  // --- What goes on

  #every(meanMs: number, act: () => void): void {
    this.time.schedule(meanMs * (0.5 + this.#random.float()), () => {
      act();
      this.#every(meanMs, act);
    });
  }

  #produce(): void {
    // Who is to catch up must be faster than the producers.
    if (this.#isHealed && this.#random.float() < 0.8) return;
    const { partition } = this.#places.get(this.#oneOf(NODES))!.node ?? {};
    if (partition === undefined || !partition.isLeader || partition.log === undefined) return;
    const values = Array.from({ length: this.#random.between(1, 3) }, () => `v${(this.#produced += 1)}`);
    const acks = this.#random.float() < 0.8 ? -1 : 1;
    const nowMs = Math.floor(Date.UTC(2026, 0, 1) + this.time.nowMs());
    const result = partition.append(batchOf(values, nowMs), { acks, origin: 'client', nowMs });
    if (result.errorCode !== 0 || acks !== -1) return;
    partition.whenCommitted(result.lastOffset + 1, (outcome) => {
      if (outcome !== 'committed' || partition.checkCommitted() !== 0) return;
      values.forEach((value, n) => this.#acks.push({ offset: result.baseOffset + n, value }));
    });
  }

  /** One thing that may happen at any time. */
  #stir(): void {
    if (this.#isHealed) return;
    const { plan } = this;
    const nodeId = this.#oneOf(NODES);
    const place = this.#places.get(nodeId)!;
    const dice = this.#random.float();
    if (plan.cuts && dice < 0.25) this.#cutOrJoin(`${nodeId}-${this.#oneOf(NODES)}`);
    else if (plan.storeCuts && dice < 0.35) this.#cutFromStore(place);
    else if (plan.crashes && dice < 0.45) this.#crash(nodeId, place);
    else if (plan.pauses && dice < 0.55) this.#pause(place);
    else if (plan.deletions && dice < 0.65) this.#deleteRecords(place);
  }

  #cutOrJoin(pair: string): void {
    if (!this.#cut.delete(pair)) this.#cut.add(pair);
  }

  #cutFromStore({ node }: Place): void {
    if (node === undefined || node.isDead) return;
    node.store.setReachable(false);
    this.time.schedule(this.#random.between(20, 400), () => node.store.setReachable(true));
  }

  #crash(nodeId: number, place: Place): void {
    const { node } = place;
    if (node === undefined || node.isDead || !node.isUp) return;
    node.crash();
    // In relaxed mode only the process may die: what the page cache holds is all there is.
    const isMachine = this.plan.durability === 'fsync' && this.#random.float() < 0.7;
    const unsynced = isMachine ? (this.#random.float() < 0.5 ? 'lose' : 'random') : 'keep';
    place.ports = place.ports.restart(unsynced);
    place.node = undefined;
    place.shadow = undefined;
    this.time.schedule(this.#random.between(1, 400), () => void this.#startNode(nodeId));
  }

  #pause({ ports }: Place): void {
    const { process } = ports;
    process.pause();
    this.time.schedule(this.#random.between(10, 400), () => process.resume());
  }

  #deleteRecords({ node }: Place): void {
    const partition = node?.partition;
    if (partition === undefined || !partition.isLeader) return;
    partition.deleteRecords(
      Math.max(partition.logStartOffset, partition.highWatermark - this.#random.integer(20)),
    );
    // The start is known only by the leader and those who fetch; the records are gone for the checks.
    this.ledger.version += 1;
  }

  #heal(): void {
    this.#isHealed = true;
    this.#cut.clear();
    this.#store.faults.indeterminate = 0;
    for (const { ports, node } of this.#places.values()) {
      ports.process.resume();
      node?.store.setReachable(true);
    }
  }

  // --- The way between brokers

  #peers(from: number): Peers {
    return { request: (to, request) => this.#carry(from, to, request) };
  }

  /** A request, and its answer, as bytes. Whatever gets lost on the way is missed when the time is over. */
  #carry<W, R>(from: number, to: number, request: PeerRequest<W, R>): Promise<R> {
    const { timers } = this.#places.get(from)!.ports;
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    let isOver = false;
    const give = (message: string): void => {
      isOver = true;
      reject(new PeerUnavailable(to, message, { wasSent: true }));
    };
    const limit = timers.after(request.timeoutMs, () => give('it did not answer in time'));
    const writer = new Writer();
    codec(FetchRequest, VERSION).write(writer, request.body as never);
    const bytes = writer.toBuffer();
    const pass = (a: number, b: number, then: () => void): void => {
      this.time.schedule(this.#random.float() * 4, () => {
        if (!this.#cut.has(`${a}-${b}`)) then();
      });
    };
    pass(from, to, () => {
      const { node, ports } = this.#places.get(to)!;
      if (node === undefined || node.isDead || !node.isUp) {
        limit.cancel();
        give('it is not there');
        return;
      }
      const serve = async (): Promise<void> => {
        const { body, onSent } = await node.handleFetch(
          codec(FetchRequest, VERSION).read(new Reader(bytes)),
          from,
        );
        const answered = new Writer();
        codec(FetchResponse, VERSION).write(answered, body as never);
        const answerBytes = answered.toBuffer();
        onSent();
        pass(to, from, () => {
          if (isOver) return;
          limit.cancel();
          const answer = codec(FetchResponse, VERSION).read(new Reader(answerBytes)) as R;
          request.onAnswer?.(answer);
          // Its bytes were lent.
          if (request.onAnswer !== undefined) answerBytes.fill(USED_UP);
          resolve(answer);
        });
      };
      // A broker that stands still serves when it goes on.
      ports.timers.after(0, () => void serve());
    });
    return promise;
  }

  // --- What must hold

  #check(): void {
    const version = this.#signature();
    if (version === this.#checked && this.#acks.length === 0) return;
    this.#checked = version;
    const state = this.#truth();
    for (const [nodeId, place] of this.#places) {
      const { node, shadow } = place;
      const partition = node?.partition;
      if (partition === undefined || shadow === undefined || partition.log === undefined) continue;
      const { highWatermark, logEndOffset, logStartOffset, leaderEpoch } = partition;
      if (highWatermark > logEndOffset || logStartOffset > highWatermark) {
        throw new Anomaly(
          `start ${logStartOffset}, watermark ${highWatermark}, end ${logEndOffset} on ${nodeId}`,
        );
      }
      const life = `${nodeId} in life ${place.lives}, epoch ${leaderEpoch}`;
      const before = this.#watermarks.get(life) ?? 0;
      if (highWatermark < before)
        throw new Anomaly(`the watermark of ${life} fell from ${before} to ${highWatermark}`);
      this.#watermarks.set(life, highWatermark);
      this.leaderEpoch = Math.max(this.leaderEpoch, leaderEpoch);
      if (!partition.isLeader) continue;
      this.#committed(shadow, highWatermark);
      for (const member of state.isr) {
        const other = this.#places.get(member)!;
        if (member === nodeId || other.shadow === undefined || other.node?.partition === undefined) continue;
        this.ledger.mustHold(other.shadow, shadow, highWatermark);
      }
    }
    for (const [nodeId, { node }] of this.#places) {
      const watermark = node?.partition?.highWatermark ?? 0;
      if (watermark > this.#highest)
        throw new Anomaly(`${nodeId} has the watermark ${watermark}, above all leaders'`);
    }
    for (const { offset, value } of this.#acks.splice(0)) this.ledger.ack(offset, value);
  }

  #committed(shadow: Shadow, highWatermark: number): void {
    this.#highest = Math.max(this.#highest, highWatermark);
    this.ledger.commit(shadow, highWatermark);
  }

  /** Changes whenever something that is checked may have. */
  #signature(): number {
    let sum = this.ledger.version * 1_000_003 + this.#store.keyspace.revision * 7_919;
    for (const { node } of this.#places.values()) {
      const partition = node?.partition;
      sum = sum * 31 + (partition === undefined ? 1 : partition.highWatermark * 17 + partition.leaderEpoch);
      sum %= 2 ** 40;
    }
    return sum;
  }

  /** As the store holds it. */
  #truth(): { readonly isr: readonly number[]; readonly leader: number } {
    if (this.#image.revision !== this.#store.keyspace.revision) {
      const truth = new ClusterImage();
      truth.reset(this.#store.keyspace.range(''));
      return truth.partition('t', 0)!;
    }
    return this.#image.partition('t', 0)!;
  }

  #isOne(): boolean {
    const { isr, leader } = this.#truth();
    if (leader < 0 || isr.length < NODES.length) return false;
    const ends = new Set<number>();
    for (const { node } of this.#places.values()) {
      if (node?.partition === undefined) return false;
      ends.add(node.partition.logEndOffset).add(node.partition.highWatermark);
    }
    // Producers never stop: it is enough that nobody is far behind.
    return ends.size <= 2;
  }

  #describe(): string {
    const nodes = [...this.#places].map(([nodeId, { node }]) => {
      const partition = node?.partition;
      if (partition === undefined) return `${nodeId} is down`;
      const { logStartOffset, highWatermark, logEndOffset, state } = partition;
      return `${nodeId}: ${logStartOffset}..${highWatermark}..${logEndOffset} ${JSON.stringify(state)}`;
    });
    return `${JSON.stringify(this.#truth())}; ${nodes.join('; ')}`;
  }

  #oneOf<T>(items: readonly T[]): T {
    return items[this.#random.integer(items.length)]!;
  }

  #shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, at: this.#random.float() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
}

/** What the segments hold, cut to whole batches. */
function filesOf(ports: SimulatedPorts, folder: string): Buffer[] {
  const { disk } = ports;
  return disk
    .list(folder)
    .filter((name) => name.endsWith('.log'))
    .map((name) => {
      const file = disk.open(`${folder}/${name}`, 'read');
      const bytes = Buffer.alloc(file.sizeBytes());
      file.read(0, bytes);
      file.close();
      const ends = header.batchPositions(bytes).map((at) => at + header.batchSizeBytes(bytes, at));
      return bytes.subarray(0, ends.at(-1) ?? 0);
    });
}
