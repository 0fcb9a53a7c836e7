/** What a world is made of, drawn from its seed: how many brokers, how they are configured, who works and what fails. */
import type { BrokerOptions } from '../../../src/broker/broker.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { TopicPlan } from '../admin.ts';
import type { Durability } from '../history.ts';
import type { Flavour } from '../transactions/producer.ts';
import type { Isolation } from '../../workload/history.ts';
import { FAULT_KINDS, type FaultKind } from './faults.ts';
import { keyedTopic } from './keyed.ts';
import { hostOf } from './machine.ts';

export const BROKER_PORT = 19_092;
export const TRANSACTION_TIMEOUT_MS_MAX = 1_500;
export const CLOCK_ERROR_MS_MAX = 700;
export const CLEANUP_INTERVAL_MS_MAX = 500;

export interface ProducerPlan {
  readonly id: string;
  readonly flavour: Flavour;
  readonly timeoutMs: number;
}

export interface Plan {
  readonly nodeIds: readonly number[];
  readonly durability: Durability;
  readonly minInsyncReplicas: number;
  readonly isUnclean: boolean;
  readonly faults: readonly FaultKind[];
  readonly faultsMs: number;
  readonly faultPauseMs: number;
  readonly lastsMs: number;
  /** Whose power may go. */
  readonly losingPower: ReadonlySet<number>;
  readonly latencyMsMax: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly logLimits: NonNullable<BrokerOptions['logLimits']>;
  /** For producers, consumers and groups. */
  readonly streams: readonly TopicPlan[];
  readonly idempotent: number;
  readonly plain: number;
  readonly consumers: number;
  readonly members: number;
  /** For transactions. */
  readonly scene: readonly TopicPlan[];
  readonly writers: readonly ProducerPlan[];
  readonly movers: readonly ProducerPlan[];
  readonly readers: readonly Isolation[];
  readonly hasPlainSender: boolean;
  readonly hasAdmin: boolean;
  /** A compacted topic, where there is one, and its keys. */
  readonly keyed: readonly TopicPlan[];
  readonly keys: number;
}

export function makePlan(random: SimulatedRandom): Plan {
  const dice = random.float();
  const count = dice < 0.8 ? 3 : dice < 0.93 ? 4 : 5;
  const nodeIds = Array.from({ length: count }, (_, index) => index + 1);
  const durability = random.chance(0.7) ? 'fsync' : 'relaxed';
  const isUnclean = random.chance(0.08);
  const minInsyncReplicas = random.chance(0.75) ? 2 : 1;
  // Where records are not on the disk, fewer machines than hold each of them may lose their power.
  const safe = durability === 'fsync' ? nodeIds : minInsyncReplicas > 1 ? [nodeIds[0]!] : [];
  const losingPower = new Set(safe);
  const share = 0.1 + 0.4 * random.float();
  const faults = FAULT_KINDS.filter((kind) => {
    return random.chance(share) && (kind !== 'power all' || durability === 'fsync');
  });
  const topic = (name: string, partitions: number): TopicPlan => ({
    name,
    durability,
    trimming: 'never',
    partitionCount: partitions,
    replicationFactor: 3,
    configs: {
      'min.insync.replicas': String(minInsyncReplicas),
      'unclean.leader.election.enable': String(isUnclean),
      'retention.ms': '-1',
      ...(random.chance(0.4) ? { 'internal.segment.bytes': String(random.between(1_500, 10_000)) } : {}),
    },
  });
  const producer = (id: string): ProducerPlan => ({
    id,
    flavour: random.chance(0.3) ? 'v1' : 'v2',
    timeoutMs: random.between(600, TRANSACTION_TIMEOUT_MS_MAX),
  });
  const hasStreams = random.chance(0.65);
  const hasScene = !hasStreams || random.chance(0.2);
  return {
    nodeIds,
    durability,
    minInsyncReplicas,
    isUnclean,
    faults,
    faultsMs: random.between(1_500, 4_000),
    faultPauseMs: random.between(50, 600),
    lastsMs: random.between(150, 2_500),
    losingPower,
    latencyMsMax: random.chance(0.15) ? 30 : 2,
    configs: brokerConfigs(random, durability),
    logLimits: random.chance(0.7)
      ? {}
      : { recentBytesMax: random.between(0, 5_000), openFilesMax: random.between(2, 10) },
    streams: hasStreams ? [topic('stream', random.between(1, 2))] : [],
    idempotent: hasStreams ? (random.chance(0.2) ? 2 : 1) : 0,
    plain: hasStreams ? random.between(0, 1) : 0,
    consumers: hasStreams ? random.between(0, 1) : 0,
    members: hasStreams && random.chance(0.4) ? random.between(1, 2) : 0,
    scene: hasScene ? [topic('in', random.between(1, 2)), topic('out', 1)] : [],
    // The first two share their id.
    writers: hasScene ? [producer('tx0'), ...(random.chance(0.4) ? [producer('tx0')] : [])] : [],
    movers: hasScene && random.chance(0.5) ? [producer('mover')] : [],
    readers: hasScene
      ? random.chance(0.3)
        ? ['read_committed', 'read_uncommitted']
        : ['read_committed']
      : [],
    hasPlainSender: hasScene && random.chance(0.2),
    hasAdmin: random.chance(0.5),
    keyed: random.chance(0.15) ? [keyedTopic(topic('', 1), random.between(400, 2_000))] : [],
    keys: random.between(2, 6),
  };
}

function brokerConfigs(random: SimulatedRandom, durability: Durability): Record<string, string> {
  const ms = (from: number, to: number): string => String(random.between(from, to));
  return {
    'log.dirs': '/data',
    durability,
    'allow.insecure.listeners': 'true',
    'auto.create.topics.enable': 'false',
    'default.replication.factor': '3',
    'min.insync.replicas': '2',
    'broker.session.timeout.ms': ms(400, 1_200),
    'replica.lag.time.max.ms': ms(900, 1_800),
    'replica.fetch.wait.max.ms': ms(300, 900),
    'replica.fetch.backoff.ms': ms(20, 300),
    'replica.socket.timeout.ms': ms(1_000, 3_000),
    'request.timeout.ms': '3000',
    'auto.leader.rebalance.enable': String(random.chance(0.7)),
    'leader.imbalance.check.interval.seconds': String(random.between(1, 5)),
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': '3',
    'offsets.topic.segment.bytes': '1048576',
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': '3',
    'transaction.state.log.min.isr': '2',
    'transaction.state.log.segment.bytes': '1048576',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': ms(100, CLEANUP_INTERVAL_MS_MAX),
    'group.initial.rebalance.delay.ms': ms(0, 200),
    'replica.high.watermark.checkpoint.interval.ms': ms(200, 5_000),
    'log.flush.offset.checkpoint.interval.ms': ms(200, 5_000),
    'log.retention.check.interval.ms': '5000',
    'log.cleaner.backoff.ms': ms(100, 1_000),
  };
}

export function configsOf(plan: Plan, nodeId: number): ReadonlyMap<string, string> {
  const listeners = `PLAINTEXT://${hostOf(nodeId)}:${BROKER_PORT}`;
  return new Map(Object.entries({ ...plan.configs, 'node.id': String(nodeId), listeners }));
}

/** In words. */
export function describePlan(plan: Plan): string {
  const { nodeIds, durability, minInsyncReplicas, isUnclean, faults } = plan;
  const work = [
    `${plan.idempotent}+${plan.plain} producers`,
    `${plan.members} members`,
    `${plan.writers.length}+${plan.movers.length} transactional`,
    plan.hasAdmin ? 'admin' : '',
    plan.keyed.length > 0 ? 'compacted' : '',
  ];
  const how = [
    `${nodeIds.length} brokers`,
    durability,
    `min ${minInsyncReplicas}`,
    isUnclean ? 'unclean' : '',
  ];
  return `${how.filter(Boolean).join(' ')}; ${work.filter(Boolean).join(', ')}; ${faults.join('+')}`;
}
