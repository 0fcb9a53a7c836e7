/**
 * A topic whose keys and values have types: what producers and consumers of it agree on, written down once.
 *
 *     const orders = new TypedTopic('orders', { key: text, value: json(orderSchema) });
 *     await producer.send(orders.record({ key: 'ada', value: { total: 12 } }));
 *     await consumer.run({ onRecord: orders.handler(({ key, value }) => store(key, value.total)) });
 *     for await (const record of consumer) console.log(orders.read(record).value.total);
 */
import { KafkaError, ownError } from '../errors.ts';
import type { ConsumerRecord, RecordHeader } from '../consumer/record.ts';
import type { RunContext } from '../consumer/runner.ts';
import type { Headers, ProducerRecord } from '../producer/record.ts';
import type { Serde } from './serdes.ts';

export interface TypedRecord<K, V> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** ms since the epoch; -1 for none. */
  readonly timestamp: number;
  readonly key: K;
  readonly value: V;
  readonly headers: readonly RecordHeader[];
}

export interface RecordToSend<K, V> {
  readonly key: K;
  readonly value: V;
  readonly headers?: Headers | undefined;
  readonly partition?: number | undefined;
  /** ms since the epoch. Default: now. */
  readonly timestamp?: number | undefined;
}

export class TypedTopic<K, V, KeyIn = K, ValueIn = V> {
  readonly name: string;
  readonly #key: Serde<K, KeyIn>;
  readonly #value: Serde<V, ValueIn>;

  constructor(name: string, serdes: { readonly key: Serde<K, KeyIn>; readonly value: Serde<V, ValueIn> }) {
    this.name = name;
    this.#key = serdes.key;
    this.#value = serdes.value;
  }

  /** For a producer. Throws KafkaError SERIALIZATION for what cannot be written. */
  record(record: RecordToSend<KeyIn, ValueIn>): ProducerRecord {
    const { name: topic } = this;
    const { key, value, ...rest } = record;
    return {
      ...rest,
      topic,
      key: converted(() => this.#key.serialize(key, { topic, part: 'key' }), `a key for ${topic}`),
      value: converted(() => this.#value.serialize(value, { topic, part: 'value' }), `a value for ${topic}`),
    };
  }

  /**
   * What a consumer has received. Throws KafkaError SERIALIZATION, which names the offset, for what cannot be read;
   * INVALID_ARGUMENT for a record of another topic.
   */
  read(record: ConsumerRecord): TypedRecord<K, V> {
    const { topic, partition, offset, timestamp } = record;
    if (topic !== this.name)
      throw ownError('INVALID_ARGUMENT', `a record of ${topic} is none of ${this.name}`);
    const where = `of ${topic}-${partition} at offset ${offset}`;
    return {
      topic,
      partition,
      offset,
      timestamp,
      key: converted(() => this.#key.deserialize(record.key, { topic, part: 'key' }), `the key ${where}`),
      value: converted(
        () => this.#value.deserialize(record.value, { topic, part: 'value' }),
        `the value ${where}`,
      ),
      get headers() {
        return record.headers;
      },
    };
  }

  /** For `Consumer.run`: a handler of this topic's records. */
  handler(
    handle: (record: TypedRecord<K, V>, context: RunContext) => void | Promise<void>,
  ): (record: ConsumerRecord, context: RunContext) => void | Promise<void> {
    return (record, context) => handle(this.read(record), context);
  }
}

function converted<T>(convert: () => T, what: string): T {
  try {
    return convert();
  } catch (error) {
    const isNamed = error instanceof KafkaError && error.errorName === 'SERIALIZATION';
    const reason = error instanceof Error ? error.message.replace(/^SERIALIZATION: /, '') : String(error);
    throw ownError('SERIALIZATION', `${what}: ${reason}`, { cause: isNamed ? error.cause : error });
  }
}
