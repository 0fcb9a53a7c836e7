/** The types of KafkaJS's administrator, under KafkaJS's names. */
import type {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ConfigResourceTypes,
  ConfigSource,
  ResourcePatternTypes,
} from './constants.ts';
import type { KafkaJSError } from './errors.ts';
import type {
  AdminEvents,
  GroupDescription,
  HasEvents,
  PartitionMetadata,
  PartitionOffset,
  RetryOptions,
  TopicPartitions,
} from './types.ts';

export interface AdminConfig {
  retry?: RetryOptions | undefined;
}

// --- Topics

export interface IResourceConfigEntry {
  name: string;
  value: string;
}

export interface ReplicaAssignment {
  partition: number;
  replicas: number[];
}

export interface ITopicConfig {
  topic: string;
  numPartitions?: number;
  replicationFactor?: number;
  replicaAssignment?: ReplicaAssignment[];
  configEntries?: IResourceConfigEntry[];
}

export interface ITopicPartitionConfig {
  topic: string;
  /** How many there are to be. */
  count: number;
  assignments?: number[][];
}

export interface ITopicMetadata {
  name: string;
  partitions: PartitionMetadata[];
}

export type SeekEntry = PartitionOffset;
export interface FetchOffsetsPartition extends PartitionOffset {
  metadata: string | null;
}

// --- Settings

export interface ResourceConfigQuery {
  type: ConfigResourceTypes;
  name: string;
  configNames?: string[];
}

export interface ConfigSynonyms {
  configName: string;
  configValue: string;
  configSource: ConfigSource;
}

export interface ConfigEntries extends ConfigSynonyms {
  isDefault: boolean;
  isSensitive: boolean;
  readOnly: boolean;
  configSynonyms: ConfigSynonyms[];
}

interface ConfiguredResource {
  errorCode: number;
  errorMessage: string | null;
  resourceName: string;
  resourceType: ConfigResourceTypes;
}

export interface DescribeConfigResponse {
  resources: (ConfiguredResource & { configEntries: ConfigEntries[] })[];
  throttleTime: number;
}

export interface AlterConfigsResponse {
  resources: ConfiguredResource[];
  throttleTime: number;
}

export interface IResourceConfig {
  type: ConfigResourceTypes;
  name: string;
  configEntries: IResourceConfigEntry[];
}

// --- Groups

export interface GroupOverview {
  groupId: string;
  protocolType: string;
}

export interface GroupDescriptions {
  groups: GroupDescription[];
}

export interface DeleteGroupsResult {
  groupId: string;
  errorCode?: number;
  error?: KafkaJSError;
}

// --- Access

export interface Acl {
  principal: string;
  host: string;
  operation: AclOperationTypes;
  permissionType: AclPermissionTypes;
}

export interface AclResource {
  resourceType: AclResourceTypes;
  resourceName: string;
  resourcePatternType: ResourcePatternTypes;
}

export type AclEntry = Acl & AclResource;
export type DescribeAclResource = AclResource & { acls: Acl[] };

export interface DescribeAclResponse {
  throttleTime: number;
  errorCode: number;
  errorMessage?: string;
  resources: DescribeAclResource[];
}

export interface AclFilter {
  resourceType: AclResourceTypes;
  resourceName?: string;
  resourcePatternType: ResourcePatternTypes;
  principal?: string;
  host?: string;
  operation: AclOperationTypes;
  permissionType: AclPermissionTypes;
}

export type MatchingAcl = AclEntry & { errorCode: number; errorMessage?: string };

export interface DeleteAclFilterResponses {
  errorCode: number;
  errorMessage?: string;
  matchingAcls: MatchingAcl[];
}

export interface DeleteAclResponse {
  throttleTime: number;
  filterResponses: DeleteAclFilterResponses[];
}

// --- Reassignments

export interface PartitionReassignment {
  topic: string;
  partitionAssignment: ReplicaAssignment[];
}

export interface OngoingPartitionReassignment {
  partition: number;
  /** As `partition`: KafkaJS's types have this one, its answers the other. */
  partitionIndex: number;
  replicas: number[];
  addingReplicas?: number[];
  removingReplicas?: number[];
}

export interface OngoingTopicReassignment {
  topic: string;
  partitions: OngoingPartitionReassignment[];
}

export interface ListPartitionReassignmentsResponse {
  topics: OngoingTopicReassignment[];
}

interface OfGroupAndTopic {
  groupId: string;
  topic: string;
}
interface Timed {
  timeout?: number;
}

export interface Admin extends HasEvents<AdminEvents> {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  listTopics(): Promise<string[]>;
  /** False when all of them were there before. */
  createTopics(
    options: Timed & { topics: ITopicConfig[]; validateOnly?: boolean; waitForLeaders?: boolean },
  ): Promise<boolean>;
  deleteTopics(options: Timed & { topics: string[] }): Promise<void>;
  createPartitions(
    options: Timed & { topicPartitions: ITopicPartitionConfig[]; validateOnly?: boolean },
  ): Promise<boolean>;
  fetchTopicMetadata(options?: { topics: string[] }): Promise<{ topics: ITopicMetadata[] }>;
  fetchOffsets(options: {
    groupId: string;
    topics?: string[];
    resolveOffsets?: boolean;
  }): Promise<{ topic: string; partitions: FetchOffsetsPartition[] }[]>;
  fetchTopicOffsets(topic: string): Promise<(SeekEntry & { high: string; low: string })[]>;
  fetchTopicOffsetsByTimestamp(topic: string, timestamp?: number): Promise<SeekEntry[]>;
  describeCluster(): Promise<{
    brokers: { nodeId: number; host: string; port: number }[];
    controller: number | null;
    clusterId: string;
  }>;
  setOffsets(options: OfGroupAndTopic & { partitions: SeekEntry[] }): Promise<void>;
  resetOffsets(options: OfGroupAndTopic & { earliest?: boolean }): Promise<void>;
  describeConfigs(configs: {
    resources: ResourceConfigQuery[];
    includeSynonyms?: boolean;
  }): Promise<DescribeConfigResponse>;
  alterConfigs(configs: {
    resources: IResourceConfig[];
    validateOnly?: boolean;
  }): Promise<AlterConfigsResponse>;
  listGroups(): Promise<{ groups: GroupOverview[] }>;
  deleteGroups(groupIds: string[]): Promise<DeleteGroupsResult[]>;
  describeGroups(groupIds: string[]): Promise<GroupDescriptions>;
  describeAcls(options: AclFilter): Promise<DescribeAclResponse>;
  deleteAcls(options: { filters: AclFilter[] }): Promise<DeleteAclResponse>;
  createAcls(options: { acl: AclEntry[] }): Promise<boolean>;
  deleteTopicRecords(options: { topic: string; partitions: SeekEntry[] }): Promise<void>;
  alterPartitionReassignments(request: Timed & { topics: PartitionReassignment[] }): Promise<void>;
  listPartitionReassignments(
    request?: Timed & { topics?: TopicPartitions[] },
  ): Promise<ListPartitionReassignmentsResponse>;
}
