/** `headrace brokers list` and `headrace log-dirs`: the machines, and what lies on their disks. */
import { print, type CommandWorld } from '../command.ts';
import { bytes, table } from '../table.ts';

export async function listBrokers(world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const { clusterId, controllerId, brokers } = await admin.describeCluster(world);
  const sorted = [...brokers].sort((a, b) => a.nodeId - b.nodeId);
  const rows = sorted.map(({ nodeId, host, port, rack }) => [
    nodeId,
    `${host}:${port}`,
    rack ?? '-',
    nodeId === controllerId ? 'controller' : '',
  ]);
  print(world, {
    data: { clusterId, controllerId, brokers: sorted },
    text: () => `cluster ${clusterId}\n${table(['broker', 'address', 'rack', 'role'], rows)}`,
  });
}

export interface LogDirFlags {
  readonly brokers?: readonly number[];
  readonly topics: readonly string[];
  /** Each replica in a row. */
  readonly replicas: boolean;
}

export async function describeLogDirs(flags: LogDirFlags, world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const found = await admin.describeLogDirs({
    signal: world.signal,
    ...(flags.brokers === undefined ? {} : { brokerIds: flags.brokers }),
  });
  const isWanted = ({ topic }: { topic: string }): boolean =>
    flags.topics.length === 0 || flags.topics.includes(topic);
  const directories = found.flatMap(({ brokerId, directories: all }) =>
    all.map(({ error, replicas, ...directory }) => ({
      brokerId,
      ...directory,
      error: error?.errorName ?? null,
      replicas: replicas.filter(isWanted),
    })),
  );
  print(world, {
    data: directories,
    text: () => (flags.replicas ? replicasText(directories) : directoriesText(directories)),
  });
}

interface Directory {
  readonly brokerId: number;
  readonly path: string;
  readonly error: string | null;
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly replicas: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly sizeBytes: number;
    readonly offsetLag: number;
    readonly isFuture: boolean;
  }[];
}

function directoriesText(directories: readonly Directory[]): string {
  const rows = directories.map(({ brokerId, path, error, usableBytes, totalBytes, replicas }) => [
    brokerId,
    path,
    error ?? 'ok',
    replicas.length,
    bytes(replicas.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)),
    usableBytes < 0 ? '-' : bytes(usableBytes),
    totalBytes < 0 ? '-' : bytes(totalBytes),
  ]);
  return table(['broker', 'directory', 'state', 'replicas', 'size', 'free', 'volume'], rows);
}

function replicasText(directories: readonly Directory[]): string {
  const rows = directories
    .flatMap(({ brokerId, path, replicas }) => replicas.map((replica) => ({ brokerId, path, ...replica })))
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .map(({ topic, partition, brokerId, sizeBytes, offsetLag, path, isFuture }) => [
      `${topic}-${partition}`,
      brokerId,
      bytes(sizeBytes),
      offsetLag,
      isFuture ? `${path} (on its way there)` : path,
    ]);
  return rows.length === 0
    ? 'no replicas\n'
    : table(['partition', 'broker', 'size', 'behind', 'directory'], rows);
}
