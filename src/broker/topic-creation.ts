/**
 * Topics that come into being because somebody asked for them: those of clients (auto.create.topics.enable) and the
 * broker's own. Clients get Kafka's answer at once, that the topic is not there, and ask again; meanwhile it is made.
 */
import type { Logger } from '../base/ports.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import type { NewTopic } from '../metadata/controller/topics.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { topicNameProblem } from '../metadata/topic-names.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import type { ClusterDecisions } from './cluster-decisions.ts';
import { internalTopic } from './internal-topics.ts';

/** Topics that are being made on clients' behalf at the same time; for others the client has to ask again. */
export const IN_FLIGHT_MAX = 1_000;

export interface TopicCreationOptions {
  readonly controller: Pick<ClusterDecisions, 'createTopics'>;
  readonly image: ClusterImage;
  readonly settings: () => BrokerSettings;
  readonly brokerConfigs: () => BrokerConfigSources;
  readonly logger: Logger;
}

export class TopicCreation {
  private readonly options: TopicCreationOptions;
  private readonly inFlight = new Map<string, Promise<void>>();

  constructor(options: TopicCreationOptions) {
    this.options = options;
  }

  /**
   * Begins to make topics that do not exist. Each gets UNKNOWN_TOPIC_OR_PARTITION, which clients repeat their request
   * for, or INVALID_TOPIC_EXCEPTION. That the controller may refuse the topic is told in the log only, as in Kafka.
   */
  begin(names: Iterable<string>): Map<string, ErrorCode> {
    const answers = new Map<string, ErrorCode>();
    const topics: NewTopic[] = [];
    for (const name of names) {
      const isInvalid = topicNameProblem(name) !== undefined;
      answers.set(name, isInvalid ? Errors.INVALID_TOPIC_EXCEPTION : Errors.UNKNOWN_TOPIC_OR_PARTITION);
      const isFull = this.inFlight.size + topics.length >= IN_FLIGHT_MAX;
      if (!isInvalid && !isFull && !this.inFlight.has(name)) topics.push(this.newTopic(name));
    }
    if (topics.length > 0) {
      this.create(topics).catch((error: unknown) => {
        this.options.logger.warn({ error: String(error) }, 'topics could not be created automatically');
      });
    }
    return answers;
  }

  /** Resolves when the broker's own topic exists; rejects with the KafkaError that the controller refused it with. */
  async ensureInternal(name: string): Promise<void> {
    if (this.options.image.topics.has(name)) return;
    await (this.inFlight.get(name) ?? this.create([this.newTopic(name)]));
  }

  private newTopic(name: string): NewTopic {
    const { settings, brokerConfigs, image } = this.options;
    const own = internalTopic(name, {
      settings: settings(),
      sources: brokerConfigs(),
      brokerCount: image.brokers.size,
    });
    return own ?? { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] };
  }

  private create(topics: readonly NewTopic[]): Promise<void> {
    const names = topics.map((topic) => topic.name);
    const done = this.createNow(topics).finally(() => {
      for (const name of names) this.inFlight.delete(name);
    });
    for (const name of names) this.inFlight.set(name, done);
    return done;
  }

  private async createNow(topics: readonly NewTopic[]): Promise<void> {
    const { controller, settings, logger } = this.options;
    const results = await controller.createTopics(topics, { timeoutMs: settings().network.requestTimeoutMs });
    for (const { name, errorCode, errorMessage, numPartitions } of results) {
      if (errorCode === Errors.NONE) {
        logger.info({ topic: name, numPartitions }, 'topic created automatically');
      } else if (errorCode !== Errors.TOPIC_ALREADY_EXISTS) {
        logger.warn({ topic: name, errorCode, errorMessage }, 'topic could not be created automatically');
        if (topics.length === 1) throw new KafkaError(errorCode as ErrorCode, errorMessage ?? undefined);
      }
    }
  }
}
