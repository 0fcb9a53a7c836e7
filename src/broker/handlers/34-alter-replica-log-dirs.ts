/** AlterReplicaLogDirs: begins to move replicas to another of this broker's log directories (KIP-113). */
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../protocol/messages/34-alter-replica-log-dirs.ts';
import { DiskError } from '../../base/ports.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import { authorize } from '../authorization.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

export const alterReplicaLogDirs = handler(
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
  (request, context, services) => {
    const may = authorize(services, context, { operation: 'ALTER', resource: 'CLUSTER' });
    const results = new Map<string, Map<number, ErrorCode>>();
    for (const { path, topics } of request.dirs) {
      for (const { name, partitions } of topics) {
        let answers = results.get(name);
        if (answers === undefined) results.set(name, (answers = new Map()));
        for (const partitionIndex of partitions) {
          const errorCode = may
            ? move({ topic: name, partition: partitionIndex }, path, services)
            : Errors.CLUSTER_AUTHORIZATION_FAILED;
          answers.set(partitionIndex, errorCode);
        }
      }
    }
    return {
      throttleTimeMs: 0,
      results: [...results].map(([topicName, answers]) => ({
        topicName,
        partitions: [...answers].map(([partitionIndex, errorCode]) => ({ partitionIndex, errorCode })),
      })),
    };
  },
);

function move(
  of: { readonly topic: string; readonly partition: number },
  directory: string,
  services: Services,
): ErrorCode {
  const target = services.logDirectories.directories().find(({ path }) => path === directory);
  if (target === undefined) return Errors.LOG_DIR_NOT_FOUND;
  const partition = services.partitions.get(of.topic, of.partition);
  if (partition === undefined) return Errors.REPLICA_NOT_AVAILABLE;
  if (!target.isOnline) return Errors.KAFKA_STORAGE_ERROR;
  if (partition.log === undefined) return Errors.KAFKA_STORAGE_ERROR;
  if (partition.log.directory === directory) return Errors.NONE;
  try {
    services.logDirectories.moveTo(of, directory);
    return Errors.NONE;
  } catch (error) {
    if (error instanceof DiskError) return Errors.KAFKA_STORAGE_ERROR;
    throw error;
  }
}
