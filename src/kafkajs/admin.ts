/** KafkaJS's administrator: its methods are in `admin-*.ts`, each a function of the way to the brokers. */
import { describeCluster } from '../client/admin/cluster.ts';
import { Routes } from '../client/admin/routes.ts';
import { describeTopics } from '../client/admin/topics.ts';
import {
  alterConfigsAs,
  createAclsAs,
  deleteAclsAs,
  describeAclsAs,
  describeConfigsAs,
} from './admin-configs.ts';
import {
  deleteGroupsAs,
  describeGroupsAs,
  fetchOffsetsAs,
  listGroupsAs,
  resetOffsetsAs,
  setOffsetsAs,
} from './admin-groups.ts';
import {
  alterPartitionReassignmentsAs,
  createPartitionsAs,
  createTopicsAs,
  deleteTopicRecordsAs,
  deleteTopicsAs,
  fetchTopicMetadataAs,
  fetchTopicOffsetsAs,
  fetchTopicOffsetsByTimestampAs,
  listPartitionReassignmentsAs,
} from './admin-topics.ts';
import type { Admin } from './admin-types.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { ADMIN_EVENTS } from './events.ts';
import { translatedAfterTries } from './translate.ts';
import type { Logger } from './types.ts';

const NO_CONTROLLER = -1;

export class KafkaAdmin implements Admin {
  readonly events = ADMIN_EVENTS;
  readonly #host: ConnectionHost;
  readonly #connection: Connection;
  #routes: Routes | undefined;

  constructor(host: ConnectionHost) {
    this.#host = host;
    this.#connection = new Connection(host);
  }

  on: Admin['on'] = (name, listener) => this.#host.events.on(name, listener as (event: unknown) => unknown);

  logger(): Logger {
    return this.#host.logger;
  }

  connect = async (): Promise<void> => {
    await this.#connection.connect();
    this.#host.events.emit(ADMIN_EVENTS.CONNECT);
  };

  disconnect = (): Promise<void> => {
    this.#routes?.close();
    this.#routes = undefined;
    this.#connection.disconnect();
    this.#host.events.emit(ADMIN_EVENTS.DISCONNECT);
    return Promise.resolve();
  };

  readonly listTopics: Admin['listTopics'] = this.#method(async (routes) =>
    (await describeTopics(routes, null)).map(({ topic }) => topic),
  );

  readonly describeCluster: Admin['describeCluster'] = this.#method(async (routes) => {
    const { brokers, controllerId, clusterId } = await describeCluster(routes);
    return {
      brokers: brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
      controller: controllerId === NO_CONTROLLER ? null : controllerId,
      clusterId,
    };
  });

  readonly createTopics: Admin['createTopics'] = this.#method(createTopicsAs);
  readonly deleteTopics: Admin['deleteTopics'] = this.#method(deleteTopicsAs);
  readonly createPartitions: Admin['createPartitions'] = this.#method(createPartitionsAs);
  readonly fetchTopicMetadata: Admin['fetchTopicMetadata'] = this.#method(fetchTopicMetadataAs);
  readonly fetchTopicOffsets: Admin['fetchTopicOffsets'] = this.#method(fetchTopicOffsetsAs);
  readonly fetchTopicOffsetsByTimestamp: Admin['fetchTopicOffsetsByTimestamp'] = this.#method(
    (routes, topic: string, timestamp?: number) => fetchTopicOffsetsByTimestampAs(routes, topic, timestamp),
  );
  readonly deleteTopicRecords: Admin['deleteTopicRecords'] = this.#method(deleteTopicRecordsAs);
  readonly alterPartitionReassignments: Admin['alterPartitionReassignments'] = this.#method(
    alterPartitionReassignmentsAs,
  );
  readonly listPartitionReassignments: Admin['listPartitionReassignments'] = this.#method(
    (routes, request: Parameters<Admin['listPartitionReassignments']>[0] = {}) =>
      listPartitionReassignmentsAs(routes, request.topics),
  );

  readonly fetchOffsets: Admin['fetchOffsets'] = this.#method(fetchOffsetsAs);
  readonly setOffsets: Admin['setOffsets'] = this.#method(setOffsetsAs);
  readonly resetOffsets: Admin['resetOffsets'] = this.#method(resetOffsetsAs);
  readonly listGroups: Admin['listGroups'] = this.#method(listGroupsAs);
  readonly describeGroups: Admin['describeGroups'] = this.#method(describeGroupsAs);
  readonly deleteGroups: Admin['deleteGroups'] = this.#method(deleteGroupsAs);

  readonly describeConfigs: Admin['describeConfigs'] = this.#method(describeConfigsAs);
  readonly alterConfigs: Admin['alterConfigs'] = this.#method(alterConfigsAs);
  readonly createAcls: Admin['createAcls'] = this.#method(createAclsAs);
  readonly describeAcls: Admin['describeAcls'] = this.#method(describeAclsAs);
  readonly deleteAcls: Admin['deleteAcls'] = this.#method(deleteAclsAs);

  /** A function of the routes as a method: it connects if that has not been done, and what it throws has KafkaJS's names. */
  #method<P extends unknown[], R>(
    ask: (routes: Routes, ...rest: P) => Promise<R>,
  ): (...rest: P) => Promise<R> {
    return async (...rest) => {
      this.#routes ??= new Routes(await this.#connection.connect());
      try {
        return await ask(this.#routes, ...rest);
      } catch (error) {
        throw translatedAfterTries(error);
      }
    };
  }
}
