/** What one shard of the group coordinator knows: the groups and offsets whose key maps to its partition. */
import type { Journal } from '../coordinator/journal.ts';
import { VersionedMap } from '../coordinator/journal.ts';
import type { BrokerSettings } from '../metadata/configs/broker-settings.ts';
import type { ClassicGroup } from './classic/classic-group.ts';
import { OffsetStore } from './offsets/offset-store.ts';

/** The part of a broker's settings that group coordination goes by. */
export interface GroupCoordinatorSettings {
  readonly groups: Pick<BrokerSettings['groups'], 'classic'>;
  readonly offsets: Pick<
    BrokerSettings['offsets'],
    'metadataMaxBytes' | 'commitTimeoutMs' | 'retentionMs' | 'retentionCheckIntervalMs'
  >;
}

/** Consumer, share and streams groups will join this union. */
export type Group = ClassicGroup;

export interface GroupState {
  readonly groups: VersionedMap<string, Group>;
  readonly offsets: OffsetStore;
  /** Read anew by each operation: settings change while the broker runs. */
  readonly settings: () => GroupCoordinatorSettings;
  /** A random UUID as text, for member ids. */
  readonly newId: () => string;
}

export function newGroupState(journal: Journal, options: Pick<GroupState, 'settings' | 'newId'>): GroupState {
  return { groups: new VersionedMap(journal), offsets: new OffsetStore(journal), ...options };
}
