/**
 * The administrator that users hold: one method for each thing that can be asked or changed, sent to whom it concerns (any
 * broker, the controller, a partition's leader, a group's or transaction's coordinator, each broker). All of them repeat
 * what fails for a while, for `callTimeoutMs`, and take a signal. Calls about several things reject with AdminError when
 * some of them fail: it names each of these, and has what the call would have yielded for the others, which have been done.
 * Offsets are numbers, times are in ms since the epoch, sizes in bytes. Errors that any call may reject with, besides those
 * that are named: UNSUPPORTED_API from brokers that are too old, CLUSTER_AUTHORIZATION_FAILED and its like, CLOSED.
 */
import type { ClientCore } from '../core.ts';
import { ownError } from '../errors.ts';
import { createAcls, deleteAcls, describeAcls } from './acls.ts';
import { describeCluster, describeFeatures, unregisterBroker, updateFeatures } from './cluster.ts';
import {
  alterConfigs,
  alterConfigsOf,
  describeConfigs,
  describeConfigsOf,
  listConfigResources,
} from './configs.ts';
import {
  createDelegationToken,
  describeDelegationTokens,
  expireDelegationToken,
  renewDelegationToken,
} from './delegation-tokens.ts';
import { describeGroup, describeGroups } from './group-descriptions.ts';
import { alterGroupOffsets, deleteGroupOffsets, groupOffsets } from './group-offsets.ts';
import { deleteGroup, deleteGroups, listGroups, removeMembers } from './groups.ts';
import { alterQuotas, describeQuotas } from './quotas.ts';
import { alterReassignments, electLeaders, listReassignments } from './reassignments.ts';
import { deleteRecords, listOffsets } from './records.ts';
import { alterReplicaLogDirs, describeLogDirs } from './replicas.ts';
import { Routes, type AskOptions } from './routes.ts';
import { alterScramUsers, describeScramUsers } from './scram.ts';
import { alterShareGroupOffsets, deleteShareGroupOffsets, shareGroupOffsets } from './share-group-offsets.ts';
import { describeStreamsGroups } from './streams-groups.ts';
import { createPartitions, createTopics, deleteTopics, describeTopics } from './topics.ts';
import {
  abortTransaction,
  describeProducers,
  describeTransactions,
  fenceProducers,
  listTransactions,
} from './transactions.ts';

export class Admin implements AsyncDisposable {
  readonly #routes: Routes;
  #isClosed = false;

  /** Users get theirs from `Client.admin`. */
  constructor(core: ClientCore) {
    this.#routes = new Routes(core);
  }

  /** The cluster's id, its controller, and the brokers that are alive; with `fenced` the others, too (KIP-1073). */
  readonly describeCluster = this.#method(describeCluster);

  /** Forgets a broker that will not come back (KIP-631). Errors: BROKER_ID_NOT_REGISTERED. */
  readonly unregisterBroker = this.#method(unregisterBroker);

  /** The levels of features that are in force, and those that a broker could do (KIP-584). */
  readonly describeFeatures = this.#method(describeFeatures);

  /** Raises or lowers the levels of features. Errors: FEATURE_UPDATE_FAILED, INVALID_UPDATE_VERSION. */
  readonly updateFeatures = this.#method(updateFeatures);

  /** Yields ids and counts. Errors: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_CONFIG... */
  readonly createTopics = this.#method(createTopics);

  /** By name, or by id (KIP-516). Errors: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, TOPIC_DELETION_DISABLED. */
  readonly deleteTopics = this.#method(deleteTopics);

  /** Partitions with their leaders and replicas; by name or id, of all topics for null. Errors: as `deleteTopics`. */
  readonly describeTopics = this.#method(describeTopics);

  /** More partitions for a topic, or for several; `count` is how many there are to be. Errors: INVALID_PARTITIONS. */
  readonly createPartitions = this.#method(createPartitions);

  /** Removes records before an offset (-1: all); yields where each log begins now. Errors: OFFSET_OUT_OF_RANGE. */
  readonly deleteRecords = this.#method(deleteRecords);

  /** Where the log begins or ends, its highest timestamp is, or the first record at or after a time. */
  readonly listOffsets = this.#method(listOffsets);

  /** The settings of a topic, a broker, its loggers, client metrics (KIP-714) or a group (KIP-848). */
  readonly describeConfigs = this.#method(describeConfigs);

  /** As `describeConfigs`, of several at once. */
  readonly describeConfigsOf = this.#method(describeConfigsOf);

  /** Changes the settings that are named, and no others (KIP-339). Errors: INVALID_CONFIG, UNKNOWN_TOPIC_OR_PARTITION. */
  readonly alterConfigs = this.#method(alterConfigs);

  /** As `alterConfigs`, of several at once. */
  readonly alterConfigsOf = this.#method(alterConfigsOf);

  /** What has settings of its own, by kind and name (KIP-1142). */
  readonly listConfigResources = this.#method(listConfigResources);

  /** The groups of all coordinators, by name. */
  readonly listGroups = this.#method(listGroups);

  /** A group's state, members, and what each has: classic, consumer (KIP-848) or share (KIP-932). */
  readonly describeGroup = this.#method(describeGroup);

  /** As `describeGroup`. Errors: GROUP_ID_NOT_FOUND; brokers before 4.0 show a group that is not there as Dead. */
  readonly describeGroups = this.#method(describeGroups);

  /** With its offsets. Errors: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. */
  readonly deleteGroup = this.#method(deleteGroup);

  /** As `deleteGroup`. */
  readonly deleteGroups = this.#method(deleteGroups);

  /** Members of a group, or all of them; those that are alive may come back (KIP-345). Errors: UNKNOWN_MEMBER_ID. */
  readonly removeMembers = this.#method(removeMembers);

  /** What a group has committed, of these partitions or of all. */
  readonly groupOffsets = this.#method(groupOffsets);

  /** Commits for a group that has no members. Errors: UNKNOWN_MEMBER_ID while it has. */
  readonly alterGroupOffsets = this.#method(alterGroupOffsets);

  /** Errors: GROUP_SUBSCRIBED_TO_TOPIC while members read the topic, GROUP_ID_NOT_FOUND. */
  readonly deleteGroupOffsets = this.#method(deleteGroupOffsets);

  /** Where a share group begins, of these partitions or of all, and what is left (KIP-932). Errors: GROUP_ID_NOT_FOUND. */
  readonly shareGroupOffsets = this.#method(shareGroupOffsets);

  /** Moves a share group that has no members. Errors: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND. */
  readonly alterShareGroupOffsets = this.#method(alterShareGroupOffsets);

  /** Forgets where a share group without members is in whole topics. Errors: as `alterShareGroupOffsets`. */
  readonly deleteShareGroupOffsets = this.#method(deleteShareGroupOffsets);

  /** What streams groups compute, and who does which part (KIP-1071). Errors: GROUP_ID_NOT_FOUND. */
  readonly describeStreamsGroups = this.#method(describeStreamsGroups);

  /** The log directories of brokers, and the replicas in them with their sizes (KIP-113, KIP-827). */
  readonly describeLogDirs = this.#method(describeLogDirs);

  /** Moves replicas between the directories of a broker. Errors: LOG_DIR_NOT_FOUND, REPLICA_NOT_AVAILABLE. */
  readonly alterReplicaLogDirs = this.#method(alterReplicaLogDirs);

  /** Moves partitions to other brokers (KIP-455). Errors: INVALID_REPLICA_ASSIGNMENT, NO_REASSIGNMENT_IN_PROGRESS. */
  readonly alterReassignments = this.#method(alterReassignments);

  /** What is on its way to other brokers. */
  readonly listReassignments = this.#method(listReassignments);

  /**
   * Preferred or unclean elections (KIP-183, KIP-460). Errors: PREFERRED_LEADER_NOT_AVAILABLE,
   * ELIGIBLE_LEADERS_NOT_AVAILABLE.
   */
  readonly electLeaders = this.#method(electLeaders);

  /** The transactional ids of all coordinators, by name (KIP-664). */
  readonly listTransactions = this.#method(listTransactions);

  /** State, timing and partitions of transactional ids. Errors: TRANSACTIONAL_ID_NOT_FOUND. */
  readonly describeTransactions = this.#method(describeTransactions);

  /** The producers that partitions know, and where their open transactions begin. */
  readonly describeProducers = this.#method(describeProducers);

  /** Ends a transaction that hangs in a partition. Errors: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED. */
  readonly abortTransaction = this.#method(abortTransaction);

  /** Shuts out the producers that have these transactional ids now; what they have open is aborted. */
  readonly fenceProducers = this.#method(fenceProducers);

  /** Who has SCRAM credentials, and of which mechanisms; never the credentials (KIP-554). */
  readonly describeScramUsers = this.#method(describeScramUsers);

  /** Sets and removes passwords. Errors: UNACCEPTABLE_CREDENTIAL, RESOURCE_NOT_FOUND. */
  readonly alterScramUsers = this.#method(alterScramUsers);

  /** Issues a token with which somebody may act as its owner (KIP-48). Errors: DELEGATION_TOKEN_AUTH_DISABLED. */
  readonly createDelegationToken = this.#method(createDelegationToken);

  /** Moves a token's expiry into the future; yields it. Errors: DELEGATION_TOKEN_NOT_FOUND, DELEGATION_TOKEN_EXPIRED. */
  readonly renewDelegationToken = this.#method(renewDelegationToken);

  /** Ends a token at once, or after a time; yields when. Errors: DELEGATION_TOKEN_NOT_FOUND. */
  readonly expireDelegationToken = this.#method(expireDelegationToken);

  /** The tokens of these owners, or all that the one who asks may see, with their secrets. */
  readonly describeDelegationTokens = this.#method(describeDelegationTokens);

  /** The rules of access that match. Errors: SECURITY_DISABLED where the brokers have no authorizer. */
  readonly describeAcls = this.#method(describeAcls);

  /** Errors: as `describeAcls`, INVALID_REQUEST. */
  readonly createAcls = this.#method(createAcls);

  /** Removes the rules that match; yields them, by filter. Errors: as `describeAcls`. */
  readonly deleteAcls = this.#method(deleteAcls);

  /** The quotas that match (KIP-546). */
  readonly describeQuotas = this.#method(describeQuotas);

  /** Sets and removes quotas. Errors: INVALID_REQUEST for a name that is none. */
  readonly alterQuotas = this.#method(alterQuotas);

  /** The names of all topics but the brokers' own. */
  async listTopics(options: AskOptions & { readonly internal?: boolean } = {}): Promise<string[]> {
    const topics = await this.describeTopics(null, options);
    return topics
      .filter(({ isInternal }) => options.internal === true || !isInternal)
      .map(({ topic }) => topic);
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#routes.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A function of the routes as a method: without them. */
  #method<P extends unknown[], R>(ask: (routes: Routes, ...rest: P) => R): (...rest: P) => R {
    return (...rest) => {
      if (this.#isClosed) throw ownError('CLOSED', 'the administrator has been closed');
      return ask(this.#routes, ...rest);
    };
  }
}
