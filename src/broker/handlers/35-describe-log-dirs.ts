/** DescribeLogDirs: the log directories, how full they are and what lies in them (KIP-113, KIP-827, KIP-1066). */
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../protocol/messages/35-describe-log-dirs.ts';
import { Errors } from '../../protocol/errors.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';

export const describeLogDirs = handler(
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
  (request, context, services) => {
    if (!authorize(services, context, { operation: 'DESCRIBE', resource: 'CLUSTER' })) {
      return { throttleTimeMs: 0, errorCode: Errors.CLUSTER_AUTHORIZATION_FAILED, results: [] };
    }
    const wanted = request.topics === null ? undefined : wantedPartitions(request.topics);
    const cordoned = new Set(services.settings().log.cordonedDirs);
    const results = services.logDirectories.describe().map((directory) => {
      const topics = new Map<
        string,
        { partitionIndex: number; partitionSize: number; offsetLag: number; isFutureKey: boolean }[]
      >();
      for (const { topic, partition, sizeBytes, offsetLag, isFuture } of directory.partitions) {
        if (wanted !== undefined && wanted.get(topic)?.has(partition) !== true) continue;
        let partitions = topics.get(topic);
        if (partitions === undefined) topics.set(topic, (partitions = []));
        partitions.push({
          partitionIndex: partition,
          partitionSize: sizeBytes,
          offsetLag,
          isFutureKey: isFuture,
        });
      }
      return {
        errorCode: directory.errorCode,
        logDir: directory.path,
        topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
        totalBytes: directory.totalBytes,
        usableBytes: directory.usableBytes,
        isCordoned: cordoned.has(directory.path) || cordoned.has('*'),
      };
    });
    return { throttleTimeMs: 0, errorCode: Errors.NONE, results };
  },
);

function wantedPartitions(
  topics: NonNullable<DescribeLogDirsRequest['topics']>,
): ReadonlyMap<string, ReadonlySet<number>> {
  const wanted = new Map<string, Set<number>>();
  for (const { topic, partitions } of topics) {
    const known = wanted.get(topic);
    if (known === undefined) wanted.set(topic, new Set(partitions));
    else for (const partition of partitions) known.add(partition);
  }
  return wanted;
}
