/**
 * The controller: takes requests that change the cluster, one after the other, decides on them (controller/*.ts, pure)
 * and has the decisions applied. Every change carries the controller's own key as a compare, so one that was deposed
 * cannot write, however late it notices. What resolves here is in this broker's image already.
 */
import type { Clock, Logger, MetadataStore, Random, Session } from '../base/ports.ts';
import { randomUuid, printUuid } from '../base/uuid.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { brokerNumber } from './broker-sources.ts';
import type { BrokerConfigSources } from './configs/resolve.ts';
import { alterConfigs, type AlterConfigs } from './controller/configs.ts';
import {
  ELECTION_TYPE,
  electLeaders,
  imbalanced,
  ledBy,
  renewTerms,
  settle,
  unsettled,
  type ElectionRequest,
  type ElectionType,
} from './controller/elections.ts';
import { updateFeatures, type FeatureUpdate } from './controller/feature-levels.ts';
import { leadershipRules, type LeadershipRules } from './controller/leadership-rules.ts';
import { deleteOrphans } from './controller/orphans.ts';
import { createPartitions, type MorePartitions } from './controller/partitions.ts';
import { allocateProducerIds, type ProducerIdBlock } from './controller/producer-ids.ts';
import { alterScramUsers, type ScramUserChange } from './controller/scram-users.ts';
import { alterReassignments, type Reassignment } from './controller/reassignments.ts';
import { depart, departing } from './controller/departure.ts';
import { eligibleByMinimum, endEligibility } from './controller/minimum-change.ts';
import {
  claimController,
  createCluster,
  evictBroker,
  evictEnded,
  registerBroker,
  renewClaim,
  renewRegistration,
  resignController,
  unregisterBroker,
  type Registration,
  type StandingRegistration,
} from './controller/registration.ts';
import {
  createTopics,
  createTopicsProblem,
  deleteTopics,
  type CreatedTopic,
  type DeletedTopic,
  type NewTopic,
  type TopicDefaults,
} from './controller/topics.ts';
import type { ClusterImage } from './image.ts';
import { CONTROLLER_KEY } from './keys.ts';
import { answer, refusal, type Decision, type Outcome } from './outcome.ts';
import { transact, TXN_OPERATIONS_MAX } from './transact.ts';

/** Of the key with which brokers show each other who they are. */
const INTER_BROKER_SECRET_BYTES = 32;
/** Requests that wait for their turn; one more is refused with REQUEST_TIMED_OUT. */
export const PENDING_MAX = 10_000;
/** Operations that one request's part of a transaction may take, with room for more per item than one. */
const OPERATIONS_PER_CHUNK = TXN_OPERATIONS_MAX - 8;

/** Leaderships that go back to their preferred replicas in one round, as in Kafka. */
const REBALANCED_MAX = 1_000;

export interface ControllerOptions {
  readonly store: MetadataStore;
  readonly image: ClusterImage;
  readonly nodeId: number;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The broker's configurations, static and dynamic: they hold the topics' defaults. */
  readonly brokerConfigs: () => BrokerConfigSources;
}

export interface RequestOptions {
  /** After this long the request is not begun any more: REQUEST_TIMED_OUT. 0 or left out: no limit. */
  readonly timeoutMs?: number;
  /** Decides and answers, but changes nothing. */
  readonly validateOnly?: boolean;
}

export class Controller {
  private readonly options: ControllerOptions;
  /** The create revision of our claim; -1 while we have none. */
  private epoch = -1;
  /** Of the claim. */
  private session: Session | undefined;
  /** A transaction of unknown outcome may yet be done. */
  private isUnsettled = false;
  private pending = 0;
  /** Elections of this process that may have cost records. */
  uncleanElections = 0;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(options: ControllerOptions) {
    this.options = options;
  }

  /** Whether this broker decides at the moment, as far as it knows. */
  get isActive(): boolean {
    const { image, nodeId } = this.options;
    return this.epoch >= 0 && image.controllerEpoch === this.epoch && image.controllerId === nodeId;
  }

  /** Makes the cluster when the store is empty, with `clusterId` or a random one. Resolves with the id that holds. */
  async createCluster(clusterId?: string): Promise<string> {
    const id = clusterId ?? printUuid(randomUuid(this.options.random));
    const secret = this.options.random.bytes(INTER_BROKER_SECRET_BYTES);
    return this.transactFreely((image) => createCluster(image, { clusterId: id, secret }));
  }

  /**
   * Takes over the decisions, if nobody has them, or goes on with them under another session. A claim of this broker's last
   * life does not count: that is over once the broker could register. Resolves with whether the decisions are ours.
   */
  async claim(session: Session): Promise<boolean> {
    const { image, nodeId, logger } = this.options;
    const { epoch } = this;
    this.session = session;
    if (this.isActive && (await this.transactFreely((now) => renewClaim(now, { nodeId, epoch }, session.id))))
      return true;
    if (image.controllerId === nodeId) {
      const former = image.controllerEpoch;
      await this.transactFreely((now) => resignController(now, former));
    }
    const claimed = await this.transactFreely((now) => claimController(now, nodeId, session.id));
    if (!claimed) return false;
    this.epoch = image.controllerEpoch;
    logger.info({ epoch: this.epoch }, 'this broker is the controller');
    return true;
  }

  /** Gives the decisions up. */
  async resign(): Promise<void> {
    const epoch = this.epoch;
    this.epoch = -1;
    if (epoch >= 0) await this.transactFreely((image) => resignController(image, epoch));
  }

  /**
   * Registers this broker. `isFormerLifeOver`: a registration that still stands is that of this broker's last life, of
   * which it is certain that it ended (we hold the lock on its log directories). Resolves with the broker epoch; rejects
   * with DUPLICATE_BROKER_REGISTRATION.
   */
  async registerBroker(
    registration: Registration,
    session: Session,
    isFormerLifeOver: boolean,
  ): Promise<number> {
    const { nodeId } = registration;
    if (isFormerLifeOver) await this.transactFreely((image) => evictBroker(image, nodeId));
    const outcome = await this.transactFreely((image) => registerBroker(image, registration, session.id));
    if (outcome.errorCode !== Errors.NONE) {
      throw new KafkaError(Errors.DUPLICATE_BROKER_REGISTRATION, outcome.errorMessage ?? '');
    }
    return this.options.image.brokers.get(nodeId)?.epoch ?? -1;
  }

  /** Of the registration with this epoch; see `evictBroker`. */
  evict(nodeId: number, epoch: number): Promise<void> {
    return this.transactFreely((image) => evictBroker(image, nodeId, epoch));
  }

  /** See `evictEnded`. Any broker may ask for it. */
  evictEnded(nodeId: number, epoch: number): Promise<void> {
    return this.transactFreely((image) => evictEnded(image, nodeId, epoch));
  }

  /** See `renewRegistration`. */
  renewRegistration(standing: StandingRegistration, session: Session): Promise<boolean> {
    return this.transactFreely((image) => renewRegistration(image, standing, session.id));
  }

  /**
   * Takes a broker that is not registered out of what it leads and is in sync in, as the controller will have done or would
   * do; with `hasLost` also out of the eligible replicas of that partition. Whoever is the controller: compares are all
   * that it rests on.
   */
  async depart(nodeId: number, hasLost: (topic: string, partition: number) => boolean): Promise<void> {
    for (;;) {
      const found = departing(this.options.image, nodeId, { rules: this.rules(), hasLost });
      if (found.length === 0) return;
      // Each partition may bring compares of its topic along.
      for (const part of chunks(found, 3)) {
        await this.transactFreely((image) =>
          depart(image, { nodeId, partitions: part, hasLost, rules: this.rules() }),
        );
      }
    }
  }

  /** After an unclean stop: new leader epochs for everything this broker leads (see controller/elections.ts). */
  async renewTerms(nodeId: number): Promise<void> {
    const led = ledBy(this.options.image, nodeId);
    for (const part of chunks(led, 1)) await this.run((image) => renewTerms(image, nodeId, part));
  }

  /** Elections and in-sync sets after brokers came or went, until every partition fits the brokers that are alive. */
  async reelect(): Promise<void> {
    for (;;) {
      const found = unsettled(this.options.image, this.rules());
      if (found.length === 0) return;
      for (const part of chunks(found, 1)) {
        const unclean = await this.run((image) => settle(image, part, this.rules()));
        for (const election of unclean) {
          this.uncleanElections++;
          this.options.logger.warn(election, 'an unclean leader was elected: records may be lost');
        }
      }
    }
  }

  /** Preferred replicas lead again where they can; a bounded number. */
  async rebalanceLeaders(): Promise<void> {
    const found = imbalanced(this.options.image).slice(0, REBALANCED_MAX);
    if (found.length > 0) await this.electLeaders(ELECTION_TYPE.PREFERRED, found);
  }

  /** What the topics' settings say about elections at the moment. */
  rules(): LeadershipRules {
    return leadershipRules(this.options.image, this.options.brokerConfigs());
  }

  /** The configured defaults of new topics. */
  topicDefaults(): TopicDefaults {
    const broker = this.options.brokerConfigs();
    return {
      numPartitions: brokerNumber(broker, 'num.partitions'),
      replicationFactor: brokerNumber(broker, 'default.replication.factor'),
      broker,
    };
  }

  /** One result a topic, in order. */
  async createTopics(topics: readonly NewTopic[], options: RequestOptions = {}): Promise<CreatedTopic[]> {
    const problem = createTopicsProblem(topics, this.topicDefaults());
    if (problem !== undefined) throw new KafkaError(Errors.POLICY_VIOLATION, problem.errorMessage ?? '');
    const { random } = this.options;
    return this.inChunks(topics, 2, options, (image, part) =>
      createTopics(image, part, { defaults: this.topicDefaults(), random }),
    );
  }

  async deleteTopics(topicIds: readonly string[], options: RequestOptions = {}): Promise<DeletedTopic[]> {
    const results = await this.inChunks(topicIds, 2, options, deleteTopics);
    // The topics are gone; what they leave behind is nobody's concern but the store's.
    this.removeOrphans().catch((error: unknown) => {
      this.options.logger.warn({ error: String(error) }, 'keys of deleted topics remain for now');
    });
    return results;
  }

  createPartitions(topics: readonly MorePartitions[], options: RequestOptions = {}): Promise<Outcome[]> {
    const { random } = this.options;
    return this.inChunks(topics, 1, options, (image, part) => createPartitions(image, part, random));
  }

  async alterConfigs(resources: readonly AlterConfigs[], options: RequestOptions = {}): Promise<Outcome[]> {
    const broker = this.options.brokerConfigs;
    if (options.validateOnly !== true) await this.endEligibility(resources);
    return this.inChunks(resources, 1, options, (image, part) => alterConfigs(image, part, broker()));
  }

  /** Each user may occur once. */
  alterScramUsers(changes: readonly ScramUserChange[]): Promise<Outcome[]> {
    return this.inChunks(changes, 1, {}, alterScramUsers);
  }

  electLeaders(
    type: ElectionType,
    requests: readonly ElectionRequest[],
    options: RequestOptions = {},
  ): Promise<Outcome[]> {
    return this.inChunks(requests, 1, options, (image, part) =>
      electLeaders(image, part, { type, rules: this.rules() }),
    );
  }

  alterReassignments(
    requests: readonly Reassignment[],
    options: RequestOptions & { readonly allowReplicationFactorChange: boolean },
  ): Promise<Outcome[]> {
    return this.inChunks(requests, 1, options, (image, part) =>
      alterReassignments(image, part, {
        rules: this.rules(),
        allowReplicationFactorChange: options.allowReplicationFactorChange,
      }),
    );
  }

  updateFeatures(updates: readonly FeatureUpdate[], options: RequestOptions = {}): Promise<Outcome> {
    const { nodeId } = this.options;
    return this.run((image) => updateFeatures(image, updates, nodeId), options);
  }

  unregisterBroker(nodeId: number): Promise<Outcome> {
    return this.run((image) => unregisterBroker(image, nodeId));
  }

  allocateProducerIds(): Promise<ProducerIdBlock> {
    return this.run(allocateProducerIds);
  }

  /** Before a minimum of in-sync replicas changes: those who are eligible by the old one may not be by the new. */
  private async endEligibility(resources: readonly AlterConfigs[]): Promise<void> {
    const found = eligibleByMinimum(this.options.image, resources);
    for (const part of chunks(found, 1)) await this.run((image) => endEligibility(image, part));
  }

  /** Keys of topics that are gone. */
  async removeOrphans(): Promise<void> {
    while (await this.run((image) => deleteOrphans(image, OPERATIONS_PER_CHUNK)));
  }

  /** Decides on parts that each fit in one transaction. A part that fails does not undo those before it. */
  private async inChunks<Item, Result>(
    items: readonly Item[],
    operationsPerItem: number,
    options: RequestOptions,
    decide: (image: ClusterImage, part: readonly Item[]) => Decision<Result[]>,
  ): Promise<Result[]> {
    const results: Result[] = [];
    for (const part of chunks(items, operationsPerItem)) {
      for (const result of await this.run((image) => decide(image, part), options)) results.push(result);
    }
    return results;
  }

  /** Runs a decision in its turn, fenced by the controller's key. */
  private run<T>(decide: (image: ClusterImage) => Decision<T>, options: RequestOptions = {}): Promise<T> {
    if (this.pending >= PENDING_MAX) {
      return Promise.reject(new KafkaError(Errors.REQUEST_TIMED_OUT, 'too many requests wait'));
    }
    const { clock, store, image } = this.options;
    const { timeoutMs = 0, validateOnly = false } = options;
    const deadline = timeoutMs > 0 ? clock.monotonicMs() + timeoutMs : Infinity;
    const epoch = this.epoch;
    this.pending++;
    const check = (): void => {
      if (!this.isActive || this.epoch !== epoch)
        throw new KafkaError(Errors.NOT_CONTROLLER, refusal(Errors.NOT_CONTROLLER).errorMessage!);
      if (clock.monotonicMs() > deadline) throw new KafkaError(Errors.REQUEST_TIMED_OUT);
    };
    const turn = this.tail.then(async () => {
      if (this.isUnsettled) await this.settle(check);
      return transact(store, image, () => (validateOnly ? answer(decide(image).result) : decide(image)), {
        check,
        fence: () => [{ key: CONTROLLER_KEY, modRevision: image.keyRevisions(CONTROLLER_KEY).modRevision }],
        settle: () => this.settle(check),
      });
    });
    this.tail = turn.catch(() => undefined).finally(() => this.pending--);
    return turn;
  }

  /**
   * After a transaction of unknown outcome: the controller's key is written again. Whatever was sent before rests on the key
   * as it was, so from here on it either has been done or never will be.
   */
  private async settle(check: () => void): Promise<void> {
    this.isUnsettled = true;
    check();
    const { epoch, session } = this;
    const { store, image, nodeId } = this.options;
    await transact(store, image, () => renewClaim(image, { nodeId, epoch }, session!.id), { check });
    this.isUnsettled = false;
  }

  /** Runs a decision that rests on compares alone, and on nobody being the controller. */
  private transactFreely<T>(decide: (image: ClusterImage) => Decision<T>): Promise<T> {
    const { store, image } = this.options;
    return transact(store, image, () => decide(image));
  }
}

function chunks<T>(items: readonly T[], operationsPerItem: number): (readonly T[])[] {
  const size = Math.floor(OPERATIONS_PER_CHUNK / operationsPerItem);
  const parts: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += size) parts.push(items.slice(at, at + size));
  return parts;
}
