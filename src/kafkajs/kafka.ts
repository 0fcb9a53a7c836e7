/** KafkaJS's entrance: one `Kafka` for a cluster, from which producers, consumers and administrators are made. */
import type { ClientPorts } from '../client/options.ts';
import { realPorts } from '../client/real-ports.ts';
import { KafkaAdmin } from './admin.ts';
import type { Admin, AdminConfig } from './admin-types.ts';
import type { ConnectionHost } from './connection.ts';
import { KafkaConsumer } from './consumer.ts';
import { KafkaJSNotImplemented } from './errors.ts';
import { ADMIN_EVENTS, CONSUMER_EVENTS, Events, PRODUCER_EVENTS } from './events.ts';
import { createLogger } from './logging.ts';
import { KafkaProducer } from './producer.ts';
import { retrySettings } from './retry.ts';
import type {
  Consumer,
  ConsumerConfig,
  KafkaConfig,
  Logger,
  Producer,
  ProducerConfig,
  RetryOptions,
} from './types.ts';

/** Stands for "as often as it takes". */
const RETRIES_OF_IDEMPOTENT = Number.MAX_SAFE_INTEGER;

interface Part {
  readonly name: 'Producer' | 'Consumer' | 'Admin';
  readonly names: Readonly<Record<string, string>>;
  readonly retry?: RetryOptions | undefined;
  readonly metadataMaxAgeMs?: number | undefined;
  readonly rack?: string | undefined;
}

export class Kafka {
  readonly #config: KafkaConfig;
  readonly #ports: ClientPorts;
  readonly #logger: Logger;

  /** Connects to nobody. Throws KafkaJSNotImplemented for a socketFactory. */
  constructor(config: KafkaConfig, ports: ClientPorts = realPorts()) {
    if (config.socketFactory !== undefined && config.socketFactory !== null) {
      throw new KafkaJSNotImplemented(
        'socketFactory is not supported: connections are made by headrace/client',
      );
    }
    this.#config = config;
    this.#ports = ports;
    this.#logger = createLogger(ports.clock, { level: config.logLevel, creator: config.logCreator });
  }

  producer(config: ProducerConfig = {}): Producer {
    const isIdempotent = config.idempotent === true;
    const byDefault =
      isIdempotent && this.#config.retry === undefined ? { retries: RETRIES_OF_IDEMPOTENT } : {};
    const host = this.#host({
      name: 'Producer',
      names: PRODUCER_EVENTS,
      retry: { ...byDefault, ...config.retry },
      metadataMaxAgeMs: config.metadataMaxAge,
    });
    return new KafkaProducer(host, config);
  }

  consumer(config: ConsumerConfig): Consumer {
    const { retry, metadataMaxAge, rackId } = config ?? {};
    const host = this.#host({
      name: 'Consumer',
      names: CONSUMER_EVENTS,
      retry,
      metadataMaxAgeMs: metadataMaxAge,
      rack: rackId,
    });
    return new KafkaConsumer(host, config ?? {});
  }

  admin({ retry }: AdminConfig = {}): Admin {
    return new KafkaAdmin(this.#host({ name: 'Admin', names: ADMIN_EVENTS, retry }));
  }

  logger(): Logger {
    return this.#logger;
  }

  #host({ name, names, retry, metadataMaxAgeMs, rack }: Part): ConnectionHost {
    const logger = this.#logger.namespace(name);
    return {
      config: this.#config,
      ports: this.#ports,
      logger,
      events: new Events({ clock: this.#ports.clock, logger, names }),
      retry: retrySettings(this.#config.retry, retry),
      metadataMaxAgeMs,
      rack,
    };
  }
}
