/** Instrumentation events: their names, and who listens to them. */
import type { Clock } from '../base/ports.ts';
import type { RequestOutcome, SentRequest } from '../client/options.ts';
import { isKafkaError } from '../client/errors.ts';
import { KafkaJSNonRetriableError } from './errors.ts';
import type {
  AdminEvents,
  ConsumerEvents,
  InstrumentationEvent,
  Logger,
  ProducerEvents,
  RemoveInstrumentationEventListener,
} from './types.ts';

export const PRODUCER_EVENTS: ProducerEvents = {
  CONNECT: 'producer.connect',
  DISCONNECT: 'producer.disconnect',
  REQUEST: 'producer.network.request',
  REQUEST_TIMEOUT: 'producer.network.request_timeout',
  REQUEST_QUEUE_SIZE: 'producer.network.request_queue_size',
};

export const ADMIN_EVENTS: AdminEvents = {
  CONNECT: 'admin.connect',
  DISCONNECT: 'admin.disconnect',
  REQUEST: 'admin.network.request',
  REQUEST_TIMEOUT: 'admin.network.request_timeout',
  REQUEST_QUEUE_SIZE: 'admin.network.request_queue_size',
};

export const CONSUMER_EVENTS: ConsumerEvents = {
  HEARTBEAT: 'consumer.heartbeat',
  COMMIT_OFFSETS: 'consumer.commit_offsets',
  GROUP_JOIN: 'consumer.group_join',
  FETCH_START: 'consumer.fetch_start',
  FETCH: 'consumer.fetch',
  START_BATCH_PROCESS: 'consumer.start_batch_process',
  END_BATCH_PROCESS: 'consumer.end_batch_process',
  CONNECT: 'consumer.connect',
  DISCONNECT: 'consumer.disconnect',
  STOP: 'consumer.stop',
  CRASH: 'consumer.crash',
  REBALANCING: 'consumer.rebalancing',
  RECEIVED_UNSUBSCRIBED_TOPICS: 'consumer.received_unsubscribed_topics',
  REQUEST: 'consumer.network.request',
  REQUEST_TIMEOUT: 'consumer.network.request_timeout',
  REQUEST_QUEUE_SIZE: 'consumer.network.request_queue_size',
};

// oxlint-disable-next-line typescript/no-explicit-any
type Listener = (event: InstrumentationEvent<any>) => unknown;

export interface EventsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Those that may be listened to. */
  readonly names: Readonly<Record<string, string>>;
}

/** The listeners of one producer, consumer or administrator. */
export class Events {
  readonly #options: EventsOptions;
  readonly #listeners = new Map<string, Set<Listener>>();
  #count = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  has(name: string): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  on(name: string, listener: Listener): RemoveInstrumentationEventListener<string> {
    const { names } = this.#options;
    if (!Object.values(names).includes(name)) {
      const [owner] = Object.values(names)[0]!.split('.');
      const all = Object.keys(names).map((one) => `${owner}.events.${one}`);
      throw new KafkaJSNonRetriableError(`Event name should be one of ${all.join(', ')}`);
    }
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()));
    // Each call is a listener of its own, also with the same function.
    const own: Listener = (event) => listener(event);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** What a listener throws is logged, and harms nobody. */
  emit(name: string, payload: unknown = null): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined || listeners.size === 0) return;
    // A number, whatever KafkaJS's types say.
    const id = this.#count++ as unknown as string;
    const event = { id, type: name, timestamp: this.#options.clock.nowMs(), payload };
    for (const listener of listeners) {
      void (async () => listener(event))().catch((error: unknown) => {
        const { message, stack } = error instanceof Error ? error : new Error(String(error));
        this.#options.logger.error(`Failed to execute listener: ${message}`, { eventName: name, stack });
      });
    }
  }

  /** For `ConnectionOptions.onRequest`: tells of requests, where somebody listens. */
  request(request: SentRequest, clientId: string): (outcome: RequestOutcome) => void {
    const { clock, names } = this.#options;
    const sentAt = clock.nowMs();
    const { FETCH, FETCH_START } = request.api === 'Fetch' ? names : {};
    const { nodeId } = request;
    if (FETCH_START !== undefined) this.emit(FETCH_START, { nodeId });
    return ({ durationMs, error }) => {
      if (FETCH !== undefined) {
        this.emit(FETCH, { numberOfBatches: 0, duration: Math.round(durationMs), nodeId });
      }
      const { api: apiName, apiKey, apiVersion, host, port } = request;
      const asked = { broker: `${host}:${port}`, clientId, correlationId: -1, createdAt: sentAt, sentAt };
      const about = { ...asked, pendingDuration: 0, apiName, apiKey, apiVersion };
      if (error === undefined) {
        this.emit(names.REQUEST!, { ...about, size: -1, duration: Math.round(durationMs) });
      } else if (isKafkaError(error, 'REQUEST_TIMED_OUT')) {
        this.emit(names.REQUEST_TIMEOUT!, about);
      }
    };
  }
}
