/** Every handler of the broker: what is listed here is what ApiVersions advertises. */
import type { Handler } from './handler.ts';
import { produce } from './handlers/00-produce.ts';
import { fetch } from './handlers/01-fetch.ts';
import { listOffsets } from './handlers/02-list-offsets.ts';
import { apiVersions } from './handlers/18-api-versions.ts';
import { deleteRecords } from './handlers/21-delete-records.ts';
import { offsetForLeaderEpoch } from './handlers/23-offset-for-leader-epoch.ts';
import { alterReplicaLogDirs } from './handlers/34-alter-replica-log-dirs.ts';
import { describeLogDirs } from './handlers/35-describe-log-dirs.ts';
import { describeProducers } from './handlers/61-describe-producers.ts';

export const HANDLERS: readonly Handler[] = [
  produce,
  fetch,
  listOffsets,
  apiVersions,
  deleteRecords,
  offsetForLeaderEpoch,
  alterReplicaLogDirs,
  describeLogDirs,
  describeProducers,
];
