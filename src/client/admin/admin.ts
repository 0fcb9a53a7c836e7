/**
 * The administrator that users hold: one method for each thing that can be asked or changed. All of them repeat what
 * fails for a while, take a signal, and reject with the first KafkaError in an answer; what else was in the same call
 * may have been done.
 */
import type { TopicPartition } from '../consumer/options.ts';
import type { ClientCore } from '../core.ts';
import { ownError } from '../errors.ts';
import {
  commitOffsets,
  fetchOffsets,
  NO_MEMBER,
  type CommittedOffset,
  type OffsetToCommit,
} from '../group/offsets.ts';
import { alterConfigs, describeConfigs } from './configs.ts';
import { deleteGroup, deleteGroupOffsets, describeGroup, listGroups } from './groups.ts';
import { Routes, type AskOptions } from './routes.ts';
import {
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeTopics,
  listOffsetsOf,
} from './topics.ts';

/** A function of the routes as a method: without them. */
type Rest<F> = F extends (routes: Routes, ...rest: infer P) => infer R ? (...rest: P) => R : never;

export class Admin implements AsyncDisposable {
  readonly #routes: Routes;
  #isClosed = false;

  /** Users get theirs from `Client.admin`. */
  constructor(core: ClientCore) {
    this.#routes = new Routes(core);
  }

  /** The cluster's id, its controller, and the brokers that are alive. */
  readonly describeCluster: Rest<typeof describeCluster> = (...rest) => describeCluster(this.#open, ...rest);

  /** Errors: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_CONFIG... */
  readonly createTopics: Rest<typeof createTopics> = (...rest) => createTopics(this.#open, ...rest);

  /** Errors: UNKNOWN_TOPIC_OR_PARTITION, TOPIC_DELETION_DISABLED. */
  readonly deleteTopics: Rest<typeof deleteTopics> = (...rest) => deleteTopics(this.#open, ...rest);

  /** Partitions with their leaders and replicas; of all topics for null. */
  readonly describeTopics: Rest<typeof describeTopics> = (...rest) => describeTopics(this.#open, ...rest);

  /** More partitions: `count` is how many there are to be. Errors: INVALID_PARTITIONS. */
  readonly createPartitions: Rest<typeof createPartitions> = (...rest) =>
    createPartitions(this.#open, ...rest);

  /** Removes records before an offset (-1: all); yields where each log begins now. */
  readonly deleteRecords: Rest<typeof deleteRecords> = (...rest) => deleteRecords(this.#open, ...rest);

  /** Where `earliest`, `latest` or the first record at or after a time is. */
  readonly listOffsets: Rest<typeof listOffsetsOf> = (...rest) => listOffsetsOf(this.#open, ...rest);

  /** The settings of a topic, a broker, a group... */
  readonly describeConfigs: Rest<typeof describeConfigs> = (...rest) => describeConfigs(this.#open, ...rest);

  /** Changes the settings that are named, and no others. Errors: INVALID_CONFIG. */
  readonly alterConfigs: Rest<typeof alterConfigs> = (...rest) => alterConfigs(this.#open, ...rest);

  /** The groups of all coordinators. */
  readonly listGroups: Rest<typeof listGroups> = (...rest) => listGroups(this.#open, ...rest);

  /** A classic group's state, members, and what each has. */
  readonly describeGroup: Rest<typeof describeGroup> = (...rest) => describeGroup(this.#open, ...rest);

  /** With its offsets. Errors: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. */
  readonly deleteGroup: Rest<typeof deleteGroup> = (...rest) => deleteGroup(this.#open, ...rest);

  /** Errors: GROUP_SUBSCRIBED_TO_TOPIC while members read the topic. */
  readonly deleteGroupOffsets: Rest<typeof deleteGroupOffsets> = (...rest) =>
    deleteGroupOffsets(this.#open, ...rest);

  /** The names of all topics but the brokers' own. */
  async listTopics(options: AskOptions & { readonly internal?: boolean } = {}): Promise<string[]> {
    const topics = await this.describeTopics(null, options);
    return topics
      .filter(({ isInternal }) => options.internal === true || !isInternal)
      .map(({ topic }) => topic);
  }

  /** What a group has committed: of these partitions, or of all. */
  groupOffsets(
    group: string,
    options: AskOptions & { readonly partitions?: readonly TopicPartition[] } = {},
  ): Promise<CommittedOffset[]> {
    const coordinator = this.#open.coordinator(group);
    return fetchOffsets(coordinator, options.partitions, {
      group,
      requireStable: false,
      signal: options.signal,
    });
  }

  /** Commits for a group that has no members. Errors: UNKNOWN_MEMBER_ID while it has. */
  alterGroupOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    options: AskOptions = {},
  ): Promise<void> {
    const coordinator = this.#open.coordinator(group);
    return commitOffsets(coordinator, offsets, { group, committer: NO_MEMBER, signal: options.signal });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#routes.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #open(): Routes {
    if (this.#isClosed) throw ownError('CLOSED', 'the administrator has been closed');
    return this.#routes;
  }
}
