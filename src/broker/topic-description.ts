/** Brokers and partitions as clients of one listener see them: for Metadata, DescribeTopicPartitions, DescribeCluster. */
import type { Random } from '../base/ports.ts';
import type { BrokerImage, ClusterImage, PartitionImage } from '../metadata/image.ts';
import { ZERO_UUID } from '../base/uuid.ts';

export interface BrokerNode {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
  readonly isFenced: boolean;
}

/** Where a broker can be reached on a listener; undefined: not registered, or without that listener. */
export function brokerNode(image: ClusterImage, nodeId: number, listener: string): BrokerNode | undefined {
  const broker = image.brokers.get(nodeId);
  const endpoint = broker?.endpoints.find((one) => one.listener === listener);
  if (broker === undefined || endpoint === undefined) return undefined;
  const { host, port } = endpoint;
  return { nodeId, host, port, rack: broker.rack, isFenced: broker.fenced };
}

/** All brokers that have the listener, by id, fenced ones included. */
export function brokerNodes(image: ClusterImage, listener: string): BrokerNode[] {
  const ids = [...image.brokers.keys()].sort((a, b) => a - b);
  return ids.flatMap((id) => brokerNode(image, id, listener) ?? []);
}

/**
 * What clients are told is the controller: any broker that is alive, so that administrative requests spread; brokers pass
 * them on. -1: none is.
 */
export function randomAliveBroker(image: ClusterImage, random: Random): number {
  const alive = [...image.brokers.values()].filter((broker) => !broker.fenced);
  return alive.length === 0 ? -1 : alive[random.integer(alive.length)].id;
}

/** Replicas that cannot serve: their broker is gone, is not on this listener, or has lost the directory. */
export function offlineReplicas(image: ClusterImage, partition: PartitionImage, listener: string): number[] {
  return partition.replicas.filter((id, n) => {
    const broker = image.brokers.get(id);
    if (broker === undefined || broker.fenced || !hasListener(broker, listener)) return true;
    const directory = partition.directories[n] ?? ZERO_UUID;
    return directory !== ZERO_UUID && !broker.directories.includes(directory);
  });
}

export function hasListener(broker: BrokerImage, listener: string): boolean {
  return broker.endpoints.some((endpoint) => endpoint.listener === listener);
}
