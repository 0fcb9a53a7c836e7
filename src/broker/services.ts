/** What handlers may use: the parts of one broker, put together in `broker.ts`. */
import type { Ports } from '../base/ports.ts';
import type { SlabPool } from '../base/slab-pool.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { LogDirectories } from '../log/log-directories.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import type { Controller } from '../metadata/controller.ts';
import type { ClusterImage } from '../metadata/image.ts';
import type { ProducerIds } from '../metadata/producer-ids.ts';
import type { Deadlines } from '../replication/deadlines.ts';
import type { InSyncRecord } from '../replication/in-sync-changes.ts';
import type { Partitions } from '../replication/partitions.ts';
import type { ReplicationTraffic } from '../replication/replication-traffic.ts';
import type { MemoryBudget } from '../rpc/memory-budget.ts';
import type { Peers } from '../rpc/peers.ts';
import type { Authorizer } from '../security/authorizer.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import type { MarkerWriter } from '../transactions/marker-sender.ts';
import type { ApiVersionRange } from './api-versions.ts';
import type { DelayedFetches } from './delayed-fetch.ts';
import type { ExpectedFollowers } from './expected-followers.ts';
import type { FetchSessions } from './fetch-session.ts';
import type { Forwarding } from './forwarding.ts';
import type { ListenerSasl } from './listener-sasl.ts';
import type { LogLevels } from './log-levels.ts';
import type { TransactionVerifier } from './transaction-verifier.ts';
import type { TopicCreation } from './topic-creation.ts';

export interface Services {
  readonly ports: Ports;
  readonly nodeId: number;
  /** As they are now: dynamic configurations may change them. */
  readonly settings: () => BrokerSettings;
  /** Where those settings come from, for DescribeConfigs. */
  readonly brokerConfigs: () => BrokerConfigSources;
  readonly image: ClusterImage;
  readonly controller: Controller;
  readonly topicCreation: TopicCreation;
  /** Takes what the controller decides to the controller. */
  readonly forwarding: Forwarding;
  readonly producerIds: ProducerIds;
  readonly logLevels: LogLevels;
  readonly groups: GroupCoordinator;
  readonly transactions: TransactionCoordinator;
  /** Asks the coordinators of transactions, here and elsewhere, on behalf of the partitions that this broker leads. */
  readonly transactionVerifier: TransactionVerifier;
  /** Writes transaction markers into the partitions that this broker leads. */
  readonly markers: MarkerWriter;
  readonly logDirectories: LogDirectories;
  readonly partitions: Partitions;
  readonly deadlines: Deadlines;
  readonly fetchSessions: FetchSessions;
  readonly delayedFetches: DelayedFetches;
  readonly expectedFollowers: ExpectedFollowers;
  readonly replicationTraffic: ReplicationTraffic;
  readonly inSyncRecord: InSyncRecord;
  /** The buffers in which large frames, and what is read from logs, lie. */
  readonly slabs: SlabPool;
  /** For what connections hold, and for the answers being read. */
  readonly memory: MemoryBudget;
  readonly authorizer: Authorizer;
  /** How clients show who they are. */
  readonly sasl: ListenerSasl;
  /** There are no other brokers, nor will there be. */
  readonly isAlone: boolean;
  /** Others may lead what this broker believes to lead, without it knowing yet. */
  readonly mayBeFenced: () => boolean;
  /** The other brokers. */
  readonly peers: Peers;
  /** The APIs this broker serves. */
  readonly apiVersions: readonly ApiVersionRange[];
  /** Those it serves to other brokers. */
  readonly apiVersionsForBrokers: readonly ApiVersionRange[];
}
