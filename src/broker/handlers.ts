/** Every handler of the broker: what is listed here is what ApiVersions advertises. */
import type { Handler } from './handler.ts';
import { produce } from './handlers/00-produce.ts';
import { fetch } from './handlers/01-fetch.ts';
import { listOffsets } from './handlers/02-list-offsets.ts';
import { offsetCommit } from './handlers/08-offset-commit.ts';
import { offsetFetch } from './handlers/09-offset-fetch.ts';
import { findCoordinator } from './handlers/10-find-coordinator.ts';
import { joinGroup } from './handlers/11-join-group.ts';
import { heartbeat } from './handlers/12-heartbeat.ts';
import { leaveGroup } from './handlers/13-leave-group.ts';
import { syncGroup } from './handlers/14-sync-group.ts';
import { describeGroups } from './handlers/15-describe-groups.ts';
import { listGroups } from './handlers/16-list-groups.ts';
import { apiVersions } from './handlers/18-api-versions.ts';
import { deleteRecords } from './handlers/21-delete-records.ts';
import { offsetForLeaderEpoch } from './handlers/23-offset-for-leader-epoch.ts';
import { alterReplicaLogDirs } from './handlers/34-alter-replica-log-dirs.ts';
import { describeLogDirs } from './handlers/35-describe-log-dirs.ts';
import { deleteGroups } from './handlers/42-delete-groups.ts';
import { offsetDelete } from './handlers/47-offset-delete.ts';
import { describeProducers } from './handlers/61-describe-producers.ts';

export const HANDLERS: readonly Handler[] = [
  produce,
  fetch,
  listOffsets,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  deleteRecords,
  offsetForLeaderEpoch,
  alterReplicaLogDirs,
  describeLogDirs,
  deleteGroups,
  offsetDelete,
  describeProducers,
];
