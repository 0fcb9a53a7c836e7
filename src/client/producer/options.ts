/** How a producer works, and the defaults. */
import type { CompressionType } from '../../protocol/record-batch.ts';
import type { ProducerInterceptor } from './interceptors.ts';
import type { Partitioner } from './partitioner.ts';

export interface ProducerOptions {
  /**
   * When a record counts as sent: once all in-sync replicas have it (`all`, the default), once the leader has (1), or
   * once it has left this process (0).
   */
  readonly acks?: 'all' | 1 | 0;
  /** A record is written once and in order even when requests are repeated (KIP-98). Default: with acks=all. */
  readonly idempotent?: boolean;
  /** Of all records, or by topic: asked when a request is made. Default: none. */
  readonly compression?: CompressionType | ((topic: string) => CompressionType);
  readonly compressionLevel?: number;
  /**
   * How long a record may wait for company while other requests are under way. When none is, nothing waits. Default: 5 ms.
   */
  readonly lingerMs?: number;
  /**
   * A batch is sent when it has this size, compressed or not. Default: 64 KiB. A batch that the topic finds too large goes on as
   * two, and later ones to that partition are smaller.
   */
  readonly batchBytes?: number;
  /** The largest request, and the largest record. Default: 1 MiB. */
  readonly requestBytesMax?: number;
  /** Memory for records that are not acknowledged yet; `send` waits when it is used up. Default: 32 MiB. */
  readonly bufferBytes?: number;
  /** Requests to one broker without an answer; at most 5 when idempotent. Default: 5. */
  readonly requestsInFlightMax?: number;
  /** From `send` to the acknowledgement, all tries included. Default: 2 min. */
  readonly deliveryTimeoutMs?: number;
  /** Chooses for records without a partition; where it yields undefined, it is as if there were none. */
  readonly partitioner?: Partitioner;
  /** Called in this order for each record, and for each batch that is done with. */
  readonly interceptors?: readonly ProducerInterceptor[];
  /** A topic that is not there may be created by the broker, if its settings let it. Default: true. */
  readonly createTopics?: boolean;
}

export interface ProducerSettings {
  /** -1 stands for all, as in the protocol. */
  readonly acks: -1 | 0 | 1;
  readonly isIdempotent: boolean;
  readonly compression: CompressionType | ((topic: string) => CompressionType);
  readonly compressionLevel: number | undefined;
  readonly lingerMs: number;
  readonly batchBytes: number;
  readonly requestBytesMax: number;
  readonly bufferBytes: number;
  readonly requestsInFlightMax: number;
  readonly deliveryTimeoutMs: number;
  readonly partitioner: Partitioner | undefined;
  readonly interceptors: readonly ProducerInterceptor[];
  readonly mayCreateTopics: boolean;
}

/** A broker remembers so many batches of a producer (KIP-98). */
const IDEMPOTENT_IN_FLIGHT_MAX = 5;

/** Throws TypeError for what does not go together. */
export function producerSettings(options: ProducerOptions): ProducerSettings {
  const acks = options.acks === undefined || options.acks === 'all' ? -1 : options.acks;
  const isIdempotent = options.idempotent ?? acks === -1;
  const requestsInFlightMax = options.requestsInFlightMax ?? IDEMPOTENT_IN_FLIGHT_MAX;
  if (isIdempotent && acks !== -1) throw new TypeError('an idempotent producer needs acks: "all"');
  if (isIdempotent && requestsInFlightMax > IDEMPOTENT_IN_FLIGHT_MAX) {
    throw new TypeError(
      `an idempotent producer may have ${IDEMPOTENT_IN_FLIGHT_MAX} requests in flight at most`,
    );
  }
  return {
    acks,
    isIdempotent,
    compression: options.compression ?? 'none',
    compressionLevel: options.compressionLevel,
    lingerMs: options.lingerMs ?? 5,
    batchBytes: options.batchBytes ?? 64 * 1024,
    requestBytesMax: options.requestBytesMax ?? 1024 * 1024,
    bufferBytes: options.bufferBytes ?? 32 * 1024 * 1024,
    requestsInFlightMax,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? 120_000,
    partitioner: options.partitioner,
    interceptors: options.interceptors ?? [],
    mayCreateTopics: options.createTopics ?? true,
  };
}
