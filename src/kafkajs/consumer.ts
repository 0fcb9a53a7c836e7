/**
 * KafkaJS's consumer: what is subscribed and paused outlives each `run`; a run is a session in the group, or several after
 * crashes.
 */
import type { Timer } from '../base/ports.ts';
import type { ClientCore } from '../client/core.ts';
import { pause } from '../client/backoff.ts';
import { describeGroupsAs } from './admin-groups.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { checkedCommits, checkedSeek } from './consumer-arguments.ts';
import { KafkaJSError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from './errors.ts';
import { CONSUMER_EVENTS } from './events.ts';
import type { MembershipPlan } from './membership-plan.ts';
import { checkPauseRequests, pausedOf, Pauses } from './pauses.ts';
import { Pauses as RetryPauses } from './retry.ts';
import { Routes } from '../client/admin/routes.ts';
import { Session } from './session.ts';
import { checkedSubscription, subscribedNames, type Subscription } from './subscribing.ts';
import { translatedAfterTries } from './translate.ts';
import type {
  Consumer,
  ConsumerConfig,
  ConsumerRunConfig,
  GroupDescription,
  Logger,
  TopicPartitionOffset,
  TopicPartitionOffsetAndMetadata,
  TopicPartitions,
} from './types.ts';

const SESSION_TIMEOUT_MS = 30_000;
const HEARTBEAT_INTERVAL_MS = 3_000;

export class KafkaConsumer implements Consumer {
  readonly events = CONSUMER_EVENTS;
  readonly #host: ConnectionHost;
  readonly #config: ConsumerConfig;
  readonly #connection: Connection;
  readonly #topics = new Map<string, boolean>();
  readonly #pauses = new Pauses();
  readonly #seeks = new Map<string, number>();
  /** From `run` to `stop`, over all sessions. */
  #run: ConsumerRunConfig | undefined;
  #session: Session | undefined;
  #restart: Timer | undefined;
  #stopping: Promise<void> | undefined;

  /** Throws KafkaJSNonRetriableError for what does not go together. */
  constructor(host: ConnectionHost, config: ConsumerConfig) {
    const { groupId, heartbeatInterval = HEARTBEAT_INTERVAL_MS } = config;
    if (!groupId) throw new KafkaJSNonRetriableError('Consumer groupId must be a non-empty string.');
    const sessionTimeout = config.sessionTimeout ?? SESSION_TIMEOUT_MS;
    if (heartbeatInterval >= sessionTimeout) {
      throw new KafkaJSNonRetriableError(
        `Consumer heartbeatInterval (${heartbeatInterval}) must be lower than sessionTimeout (${sessionTimeout}).`,
      );
    }
    this.#host = host;
    this.#config = config;
    this.#connection = new Connection(host);
  }

  on: Consumer['on'] = (name, listener) =>
    this.#host.events.on(name, listener as (event: unknown) => unknown);

  logger(): Logger {
    return this.#host.logger;
  }

  connect = async (): Promise<void> => {
    await this.#connection.connect();
    this.#host.events.emit(CONSUMER_EVENTS.CONNECT);
  };

  disconnect = async (): Promise<void> => {
    await this.stop();
    this.#connection.disconnect();
    this.#host.events.emit(CONSUMER_EVENTS.DISCONNECT);
  };

  /** Resolves when all topics that are named are there. A pattern is looked up now, and not again. */
  subscribe = async (subscription: Subscription): Promise<void> => {
    if (this.#run !== undefined) {
      throw new KafkaJSNonRetriableError('Cannot subscribe to topic while consumer is running');
    }
    const wanted = checkedSubscription(subscription);
    const core = await this.#connection.connect();
    const mayCreate = this.#config.allowAutoTopicCreation ?? true;
    const names = await subscribedNames(core, wanted, { mayCreate });
    for (const name of names) this.#topics.set(name, subscription.fromBeginning ?? false);
  };

  /** Resolves when the group has let this consumer in; what is read comes later. */
  run = async (config: ConsumerRunConfig = {}): Promise<void> => {
    if (this.#run !== undefined) {
      this.logger().warn('consumer#run was called, but the consumer is already running', {
        groupId: this.#config.groupId,
      });
      return;
    }
    this.#run = config;
    this.#seeks.clear();
    await this.#begin(config);
  };

  /** Waits for the handlers that are at work. */
  stop = (): Promise<void> => {
    this.#stopping ??= this.#stop().finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  };

  commitOffsets = async (offsets: TopicPartitionOffsetAndMetadata[] = []): Promise<void> => {
    const commits = checkedCommits(offsets);
    this.#throwUnlessRun();
    await this.#session?.commit(commits);
  };

  /** Also right after `run` was called, without waiting for it. */
  seek = (to: TopicPartitionOffset): void => {
    const { topic, partition, offset } = checkedSeek(to);
    this.#throwUnlessRun();
    if (this.#session === undefined) this.#seeks.set(`${partition} ${topic}`, offset);
    else this.#session.seek({ topic, partition }, offset);
  };

  describeGroup = async (): Promise<GroupDescription> => {
    const core = await this.#connection.connect();
    const routes = new Routes(core);
    try {
      const { groups } = await describeGroupsAs(routes, [this.#config.groupId]);
      return groups[0]!;
    } catch (error) {
      throw translatedAfterTries(error);
    } finally {
      routes.close();
    }
  };

  pause = (topics: { topic: string; partitions?: number[] }[] = []): void => {
    checkPauseRequests(topics, 'pause');
    this.#throwUnlessRun();
    this.#pauses.pause(topics);
    this.#session?.applyPauses();
  };

  paused = (): TopicPartitions[] => pausedOf(this.#pauses, this.#session?.assignment() ?? []);

  resume = (topics: { topic: string; partitions?: number[] }[] = []): void => {
    checkPauseRequests(topics, 'resume');
    this.#throwUnlessRun();
    this.#pauses.resume(topics);
    this.#session?.applyPauses();
  };

  #throwUnlessRun(): void {
    if (this.#run !== undefined) return;
    throw new KafkaJSNonRetriableError(
      'Consumer group was not initialized, consumer#run must be called first',
    );
  }

  // --- Sessions

  async #begin(run: ConsumerRunConfig): Promise<void> {
    this.#host.logger.info('Starting', { groupId: this.#config.groupId });
    let session: Session;
    try {
      const core = await this.#connection.connect();
      if (this.#run !== run) return;
      session = this.#newSession(core, run);
    } catch (error) {
      await this.#onCrash(error as Error, run);
      return;
    }
    this.#session = session;
    const looping = this.#loop(session).catch((error: unknown) => this.#onCrash(error as Error, run));
    await Promise.race([session.joined.promise, looping]);
  }

  /** Throws what an assigner of the application's own throws when it is made. */
  #newSession(core: ClientCore, run: ConsumerRunConfig): Session {
    const plan: MembershipPlan = {
      groupId: this.#config.groupId,
      config: this.#config,
      sessionTimeoutMs: this.#config.sessionTimeout ?? SESSION_TIMEOUT_MS,
      topics: new Map(this.#topics),
      logger: this.#host.logger,
    };
    return new Session({
      host: this.#host,
      core,
      plan,
      run,
      pauses: this.#pauses,
      seeks: this.#seeks,
    });
  }

  /** Reads until the session ends; what a handler throws is tried again as often as `retry` says. Rejects with a crash. */
  async #loop(session: Session): Promise<void> {
    const { retry, ports } = this.#host;
    let pauses = new RetryPauses(retry, ports.random);
    for (let retryCount = 0, handled = 0; ;) {
      try {
        await session.loop();
        return;
      } catch (error) {
        if (session.handled > handled) {
          handled = session.handled;
          retryCount = 0;
          pauses = new RetryPauses(retry, ports.random);
        }
        const failure = error as Error;
        if (!canPass(failure)) throw asNonRetriable(failure);
        const retryTime = pauses.next();
        if (retryCount >= retry.retries) {
          throw new KafkaJSNumberOfRetriesExceeded(failure, { retryCount, retryTime });
        }
        retryCount += 1;
        await pause(ports.timers, retryTime, session.ending).catch(() => {});
        if (!session.isRunning) return;
      }
    }
  }

  /** Leaves the group, tells why, and begins again if that may help. */
  async #onCrash(error: Error, run: ConsumerRunConfig): Promise<void> {
    if (this.#run !== run) return;
    const { logger, events, retry } = this.#host;
    const { groupId } = this.#config;
    logger.error(`Crash: ${error.name}: ${error.message}`, { groupId, stack: error.stack });
    await this.#endSession();
    this.#connection.disconnect();
    events.emit(CONSUMER_EVENTS.DISCONNECT);
    const restart = mayRestart(error) && (await this.#wantsRestart(error));
    events.emit(CONSUMER_EVENTS.CRASH, { error, groupId, restart });
    if (this.#run !== run) return;
    if (!restart) {
      this.#run = undefined;
      return;
    }
    const { retryTime = retry.initialRetryTime } = error as { readonly retryTime?: number };
    logger.error(`Restarting the consumer in ${retryTime}ms`, { groupId, retryTime });
    this.#restart = this.#host.ports.timers.after(retryTime, () => void this.#begin(run));
  }

  async #wantsRestart(error: Error): Promise<boolean> {
    const { retry, logger } = this.#host;
    if (retry.restartOnFailure === undefined) return true;
    try {
      return await retry.restartOnFailure(error);
    } catch (failure) {
      logger.error('restartOnFailure has failed: the consumer restarts', { error: String(failure) });
      return true;
    }
  }

  async #stop(): Promise<void> {
    this.#restart?.cancel();
    this.#run = undefined;
    await this.#endSession();
    this.#host.logger.info('Stopped', { groupId: this.#config.groupId });
  }

  async #endSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    await session.stop();
    this.#host.events.emit(CONSUMER_EVENTS.STOP);
  }
}

/** Mistakes in a program are not repeated. */
const MISTAKES: ReadonlySet<string> = new Set(['RangeError', 'ReferenceError', 'SyntaxError', 'TypeError']);

function canPass(error: Error & { readonly retriable?: boolean }): boolean {
  return error.retriable !== false && !MISTAKES.has(error.name);
}

function asNonRetriable(error: Error): KafkaJSError {
  if (error instanceof KafkaJSError) return error;
  return new KafkaJSNonRetriableError(error, { cause: error.cause ?? error });
}

function mayRestart(error: Error): boolean {
  if (error.name === 'KafkaJSNumberOfRetriesExceeded') return true;
  let first = error;
  while (Error.isError(first.cause)) first = first.cause;
  return (first as { readonly retriable?: boolean }).retriable === true;
}
