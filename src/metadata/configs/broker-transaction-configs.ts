/** Broker configurations about transactions (KIP-98, KIP-890). */
import { atLeast } from './checks.ts';
import { define } from './definition.ts';
import type { ConfigDefinition } from './definition.ts';

export const TRANSACTION_CONFIGS: readonly ConfigDefinition[] = [
  define(
    'INT',
    'add.partitions.to.txn.retry.backoff.max.ms',
    '100',
    'The longest pause before adding a partition to a transaction is tried again.',
    { check: atLeast(0), importance: 'HIGH' },
  ),
  define(
    'INT',
    'add.partitions.to.txn.retry.backoff.ms',
    '20',
    'The first pause before adding a partition to a transaction is tried again.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'INT',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms',
    '10000',
    'How often transactions past their timeout are looked for and aborted.',
    { check: atLeast(1), importance: 'LOW' },
  ),
  define(
    'INT',
    'transaction.max.timeout.ms',
    '900000',
    'The longest transaction timeout a producer may ask for.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'BOOLEAN',
    'transaction.partition.verification.enable',
    'true',
    'Whether a transactional write checks first that its partition belongs to the transaction.',
    { importance: 'LOW', dynamic: 'cluster-wide' },
  ),
  define(
    'INT',
    'transaction.remove.expired.transaction.cleanup.interval.ms',
    '3600000',
    'How often expired transactional ids are looked for.',
    { check: atLeast(1), importance: 'LOW' },
  ),
  define(
    'INT',
    'transaction.state.log.load.buffer.size',
    '5242880',
    'Bytes read at a time while the transaction state topic is loaded.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'INT',
    'transaction.state.log.min.isr',
    '2',
    'The minimum of in-sync replicas of the transaction state topic, at most the number of live brokers.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'INT',
    'transaction.state.log.num.partitions',
    '50',
    'The number of partitions of the transaction state topic; it must never change.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'SHORT',
    'transaction.state.log.replication.factor',
    '3',
    'The replication factor of the transaction state topic, at most the number of live brokers.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'INT',
    'transaction.state.log.segment.bytes',
    '104857600',
    'The segment size of the transaction state topic.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
  define(
    'BOOLEAN',
    'transaction.two.phase.commit.enable',
    'false',
    'Whether producers may take part in a two-phase commit, whose transactions never time out.',
    { importance: 'LOW' },
  ),
  define(
    'INT',
    'transactional.id.expiration.ms',
    '604800000',
    'How long the state of a transactional id without transactions is kept.',
    { check: atLeast(1), importance: 'HIGH' },
  ),
];
