/** Making a log in a folder of its own, and saying which topic it belongs to. */
import { formatPartitionMetadata } from './directory-files.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { LogDirectory } from './log-directory.ts';
import { existingSegment, listFolder } from './log-folder.ts';
import type { LogState } from './log-state.ts';
import { Log } from './log.ts';
import { ProducerSnapshots } from './producer-snapshots.ts';
import { ProducerState } from './producer-state.ts';
import { Segments } from './segments.ts';
import type { LogSettings } from './settings.ts';

export interface NewLog extends names.TopicPartition {
  readonly topicId: string;
  readonly settings: LogSettings;
  readonly folder: string;
  readonly startOffset: number;
}

/** An empty log in a new folder. Its names become durable with its first batch. Throws DiskError. */
export function makeLog(environment: LogEnvironment, directory: LogDirectory, options: NewLog): Log {
  const { folder } = options;
  const { disk } = environment;
  disk.makeDirectory(folder);
  directory.namesChanged();
  const metadata = disk.open(`${folder}/${names.PARTITION_METADATA}`, 'create');
  metadata.write(0, [formatPartitionMetadata(options.topicId)]);
  const segments = new Segments();
  const { settings, startOffset } = options;
  const contents = listFolder(disk, folder);
  const segment = existingSegment(environment, contents, {
    baseOffset: startOffset,
    settings,
    sizeBytes: 0,
  });
  segment.isActive = true;
  segment.file();
  segments.add(segment);
  const state: LogState = {
    topic: options.topic,
    partition: options.partition,
    topicId: options.topicId,
    folder,
    settings,
    segments,
    epochs: new LeaderEpochs(),
    snapshots: new ProducerSnapshots(environment, folder),
    producers: new ProducerState(),
    logStartOffset: startOffset,
    logEndOffset: startOffset,
    recoveryPoint: startOffset,
    unsynced: [metadata],
    isNew: true,
  };
  return new Log(environment, directory, state);
}

/** A log whose folder does not say which topic it belongs to, as before Kafka 2.8, gets an id. Throws DiskError. */
export function giveTopicId(environment: LogEnvironment, log: Log, topicId: string): void {
  const { disk } = environment;
  const file = disk.open(`${log.folder}/${names.PARTITION_METADATA}`, 'create');
  try {
    const content = formatPartitionMetadata(topicId);
    file.truncate(0);
    file.write(0, [content]);
    file.syncNow();
  } finally {
    file.close();
  }
  disk.syncDirectory(log.folder);
  log.topicId = topicId;
}
