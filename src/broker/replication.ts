/** The replication of a broker that has others beside it: what it leads is followed by them, and it follows what they lead. */
import type { MetadataStore } from '../base/ports.ts';
import type { TopicSettings } from '../metadata/configs/topic-settings.ts';
import { changeInSync, type InSyncChange, type InSyncOutcome } from '../metadata/controller/in-sync.ts';
import { transact } from '../metadata/transact.ts';
import { KafkaError } from '../protocol/errors.ts';
import { FollowerFetcher } from '../replication/follower-fetcher.ts';
import { InSyncChanges } from '../replication/in-sync-changes.ts';
import type { Services } from './services.ts';

export interface Replication {
  /** Nothing is fetched, and no in-sync set changed, any more. */
  stop(): void;
}

/** Begins with the partitions that are there. */
export function replicate(
  services: Services,
  {
    store,
    settingsOf,
  }: { readonly store: MetadataStore; readonly settingsOf: (topic: string) => TopicSettings },
): Replication {
  const { partitions, image, nodeId, ports, peers } = services;
  const settings = () => services.settings().replication;
  const change = async (asked: InSyncChange): Promise<InSyncOutcome | 'retry'> => {
    const minInsyncReplicas = (): number =>
      settingsOf(image.topicById(asked.topicId)?.name ?? '').minInsyncReplicas;
    try {
      return await transact(store, image, () => changeInSync(image, asked, minInsyncReplicas()));
    } catch (error) {
      // The store does not answer, or the partition's neighbours keep changing.
      if (error instanceof KafkaError) return 'retry';
      throw error;
    }
  };
  const inSync = new InSyncChanges({
    nodeId,
    image,
    ports,
    partitions: () => partitions.all(),
    changeInSync: change,
    lagTimeMaxMs: () => settings().lagTimeMaxMs,
    record: services.inSyncRecord,
  });
  const fetcher = new FollowerFetcher({
    nodeId,
    peers,
    ports,
    settings,
    traffic: services.replicationTraffic,
    rows: () => settings().fetchers,
    brokerEpoch: () => image.brokers.get(nodeId)?.epoch ?? -1,
  });
  partitions.onLeadership(services.expectedFollowers);
  partitions.onFollowerProgress = (partition, follower) => inSync.onProgress(partition, follower);
  inSync.start();
  partitions.onReplicas(fetcher);
  const unsubscribe = image.onChange(({ configsChanged }) => {
    if (configsChanged.some(({ type }) => type === 'BROKER')) fetcher.settingsChanged();
  });
  return {
    stop() {
      unsubscribe();
      fetcher.stop();
      inSync.stop();
    },
  };
}
