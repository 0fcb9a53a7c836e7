/** Transactional producers as both brokers see them: settings, keys, and requests in the producer's present id and epoch. */
import { buildBatch } from '../../src/protocol/records.ts';
import type { Answer, Side, TwoBrokers } from './two-brokers.ts';

export const TRANSACTION_SETTINGS = {
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'auto.create.topics.enable': 'false',
};
export const [PRODUCE, FETCH, LIST_OFFSETS] = [0, 1, 2];
export const [INIT, ADD, ADD_OFFSETS, END, MARK, TXN_COMMIT] = [22, 24, 25, 26, 27, 28];
export const [DESCRIBE_PRODUCERS, DESCRIBE_TRANSACTIONS, LIST_TRANSACTIONS] = [61, 65, 66];
const FIND_COORDINATOR = 10;

/** Of an InitProducerId that asks for a new producer. */
export const NEW_PRODUCER = { transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 };
export const CONCURRENT_TRANSACTIONS = 51;

export interface Identity {
  /** Whose id and epoch, if not the transaction's own. */
  readonly producer?: string;
  /** Instead of the epoch that was answered last. */
  readonly epoch?: number;
  /** Added to the epoch. */
  readonly shift?: number;
}

/** The producer's id and epoch as they were last answered. */
export function producerOf(side: Side, id: string, { producer = id, epoch, shift = 0 }: Identity = {}) {
  const producerId = (side.kept.get(`producer of ${producer}`) as number | undefined) ?? 4_000_000;
  const answered = (side.kept.get(`epoch of ${producer}`) as number | undefined) ?? 0;
  return { transactionalId: id, producerId, producerEpoch: (epoch ?? answered) + shift };
}

/** For requests whose answer makes the producer's id and epoch. */
export function keepProducer(id: string) {
  const unlessRefused = (answer: Answer, value: unknown): unknown =>
    answer.errorCode === 0 ? value : undefined;
  return {
    keep: {
      [`producer of ${id}`]: (answer: Answer): unknown => unlessRefused(answer, answer.producerId),
      [`epoch of ${id}`]: (answer: Answer): unknown => unlessRefused(answer, answer.producerEpoch),
    },
  };
}

export interface ProduceOptions extends Identity {
  readonly acks?: number;
  readonly sequence?: number;
  readonly partition?: number;
  readonly topic?: string;
  readonly transactionalId?: string | null;
  readonly timestamp?: number;
}

/** One record in the transaction of `id`. */
export function produceBody(id: string, value: string, options: ProduceOptions = {}) {
  const { acks = -1, sequence = 0, partition = 0, topic = 't', transactionalId = id } = options;
  return (side: Side): object => {
    const { producerId, producerEpoch } = producerOf(side, id, options);
    const records = buildBatch({
      records: [{ key: null, value: Buffer.from(value), timestamp: options.timestamp ?? Date.now() }],
      producerId,
      producerEpoch,
      baseSequence: sequence,
      isTransactional: true,
    });
    const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }];
    return { transactionalId, acks, timeoutMs: 10_000, topicData };
  };
}

/** Until both kinds of coordinator answer on both sides, and a producer gets an id. */
export async function coordinatorsReady(both: TwoBrokers): Promise<void> {
  for (const keyType of [0, 1]) {
    const any = { keyType, coordinatorKeys: ['any'] };
    await both.until(FIND_COORDINATOR, 4, any, ({ coordinators }) => coordinators[0].errorCode === 0);
  }
  const anybody = { ...NEW_PRODUCER, transactionalId: 'any' };
  await both.until(INIT, 5, anybody, ({ errorCode }) => errorCode === 0);
}
