/**
 * Broker configurations about the broker's place in the cluster, replication and quotas. The three throttle
 * rates exist as dynamic configurations only (KIP-73).
 */
import { atLeast } from './checks.ts';
import { define } from './definition.ts';
import type { ConfigDefinition } from './definition.ts';

export const REPLICATION_CONFIGS: readonly ConfigDefinition[] = [
  define(
    'INT',
    'alter.log.dirs.replication.quota.window.num',
    '11',
    'How many samples the quota on moves between log directories keeps.',
    { check: atLeast(1), importance: 'LOW' },
  ),
  define(
    'INT',
    'alter.log.dirs.replication.quota.window.size.seconds',
    '1',
    'The time span of one sample of the quota on moves between log directories.',
    { check: atLeast(1), importance: 'LOW' },
  ),
  define(
    'BOOLEAN',
    'auto.leader.rebalance.enable',
    'true',
    'Whether leadership goes back to the preferred replicas by itself.',
    { importance: 'HIGH' },
  ),
  define(
    'INT',
    'broker.heartbeat.interval.ms',
    '2000',
    'How often a broker tells the cluster that it lives; here four times in `broker.session.timeout.ms`.',
    { inert: true },
  ),
  define('INT', 'broker.id', '-1', 'The older name of `node.id`.', { importance: 'HIGH' }),
  define(
    'STRING',
    'broker.rack',
    null,
    'The rack or zone of this broker, for placing replicas and for fetching from the nearest one.',
  ),
  define(
    'INT',
    'broker.session.timeout.ms',
    '9000',
    'A broker that is silent for this long is fenced. The time to live of its lease at etcd: rounded up to seconds, and ' +
      "at least 1.5 of etcd's election time-outs, 2 s by default.",
  ),
  define(
    'BOOLEAN',
    'controlled.shutdown.enable',
    'true',
    'Whether a broker hands over its leaderships before it stops.',
  ),
  define('INT', 'controller.quota.window.num', '11', 'How many samples the quota on topic changes keeps.', {
    check: atLeast(1),
    importance: 'LOW',
  }),
  define(
    'INT',
    'controller.quota.window.size.seconds',
    '1',
    'The time span of one sample of the quota on topic changes.',
    { check: atLeast(1), importance: 'LOW' },
  ),
  define('INT', 'controller.socket.timeout.ms', '30000', 'How long a request to the controller may take.'),
  define(
    'INT',
    'default.replication.factor',
    '1',
    'The replication factor of topics made without saying one.',
  ),
  define(
    'LONG',
    'follower.replication.throttled.rate',
    '9223372036854775807',
    'Bytes per second that throttled replicas may fetch on this broker; set while it runs only.',
    { check: atLeast(0), dynamic: 'cluster-wide' },
  ),
  define(
    'INT',
    'initial.broker.registration.timeout.ms',
    '60000',
    'How long a broker that starts waits for the metadata store, and tries to register; then it ends.',
  ),
  define(
    'LONG',
    'leader.imbalance.check.interval.seconds',
    '300',
    'How often leaders away from their preferred replica are looked for.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'LONG',
    'leader.replication.throttled.rate',
    '9223372036854775807',
    'Bytes per second that throttled replicas may be sent by this broker; set while it runs only.',
    { check: atLeast(0), dynamic: 'cluster-wide' },
  ),
  define('INT', 'node.id', '1', "This broker's number, unique in the cluster.", {
    check: atLeast(0),
    importance: 'HIGH',
  }),
  define(
    'INT',
    'num.replica.alter.log.dirs.threads',
    null,
    "Kafka's number of threads that move replicas between log directories.",
    { importance: 'HIGH', inert: true },
  ),
  define(
    'INT',
    'num.replica.fetchers',
    '1',
    "How many parallel fetches a follower keeps towards each leader's broker.",
    { check: atLeast(1), importance: 'HIGH', dynamic: 'cluster-wide' },
  ),
  define('INT', 'quota.window.num', '11', 'How many samples a client quota keeps.', {
    check: atLeast(1),
    importance: 'LOW',
  }),
  define('INT', 'quota.window.size.seconds', '1', 'The time span of one sample of a client quota.', {
    check: atLeast(1),
    importance: 'LOW',
  }),
  define(
    'LONG',
    'replica.alter.log.dirs.io.max.bytes.per.second',
    '9223372036854775807',
    'Bytes per second that moves between log directories may copy; set while the broker runs only.',
    { check: atLeast(0), dynamic: 'cluster-wide' },
  ),
  define('INT', 'replica.fetch.backoff.ms', '1000', 'How long a follower waits after a failed fetch.', {
    check: atLeast(0),
  }),
  define('INT', 'replica.fetch.max.bytes', '1048576', 'The bytes a follower asks for per partition.', {
    check: atLeast(0),
  }),
  define(
    'INT',
    'replica.fetch.min.bytes',
    '1',
    "The fewest bytes a follower's fetch is answered with before its wait time is over.",
    { importance: 'HIGH' },
  ),
  define('INT', 'replica.fetch.response.max.bytes', '10485760', 'The bytes a follower asks for per fetch.', {
    check: atLeast(0),
  }),
  define('INT', 'replica.fetch.wait.max.ms', '500', "How long a follower's fetch waits for new records.", {
    importance: 'HIGH',
  }),
  define(
    'LONG',
    'replica.high.watermark.checkpoint.interval.ms',
    '5000',
    'How often the high watermarks are written down.',
    { importance: 'HIGH' },
  ),
  define(
    'LONG',
    'replica.lag.time.max.ms',
    '30000',
    'A follower that has not caught up for this long leaves the in-sync replicas.',
    { importance: 'HIGH' },
  ),
  define(
    'STRING',
    'replica.selector.class',
    null,
    "The rule by which a consumer is sent to a follower: Kafka's RackAwareReplicaSelector by name, or none.",
  ),
  define(
    'INT',
    'replica.socket.receive.buffer.bytes',
    '65536',
    "The size of the followers' socket receive buffers in Kafka.",
    { importance: 'HIGH', inert: true },
  ),
  define(
    'INT',
    'replica.socket.timeout.ms',
    '30000',
    "How long a follower's fetch may take on the network.",
    { importance: 'HIGH' },
  ),
  define('INT', 'replication.quota.window.num', '11', 'How many samples a replication quota keeps.', {
    check: atLeast(1),
    importance: 'LOW',
  }),
  define(
    'INT',
    'replication.quota.window.size.seconds',
    '1',
    'The time span of one sample of a replication quota.',
    { check: atLeast(1), importance: 'LOW' },
  ),
];
