/**
 * How the files and folders of a log are called. A partition's folder is `<topic>-<partition>`; a segment's files are
 * `<base offset, 20 digits>` with a suffix that says what they hold. A topic's name has at most 249 characters.
 */

export const LOG_SUFFIX = '.log';
export const OFFSET_INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const TRANSACTION_INDEX_SUFFIX = '.txnindex';
export const SNAPSHOT_SUFFIX = '.snapshot';
/** Waits for its deletion. */
export const DELETED_SUFFIX = '.deleted';
/** Compaction: being written; and finished, about to replace the original. */
export const CLEANED_SUFFIX = '.cleaned';
export const SWAP_SUFFIX = '.swap';

export const LEADER_EPOCH_CHECKPOINT = 'leader-epoch-checkpoint';
export const PARTITION_METADATA = 'partition.metadata';
export const RECOVERY_POINT_CHECKPOINT = 'recovery-point-offset-checkpoint';
export const LOG_START_CHECKPOINT = 'log-start-offset-checkpoint';
export const HIGH_WATERMARK_CHECKPOINT = 'replication-offset-checkpoint';
export const CLEANER_CHECKPOINT = 'cleaner-offset-checkpoint';
export const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';
export const LIFE_FILE = 'headrace.life';
/** In a partition's folder: why it must not be used any more. */
export const DAMAGED_FILE = 'headrace.damaged';
export const META_PROPERTIES = 'meta.properties';
export const LOCK_FILE = '.lock';

export const SEGMENT_SUFFIXES: readonly string[] = [
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
];

const SEGMENT_FILE = /^(\d{20})(\.[a-z]+)(\.deleted|\.cleaned|\.swap)?$/;
const PARTITION_FOLDER = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})$/;
const MARKED_FOLDER = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})\.([0-9a-f]{32})-(delete|future|stray)$/;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export function segmentFileName(offset: number, suffix: string): string {
  return String(offset).padStart(20, '0') + suffix;
}

export interface SegmentFileName {
  readonly offset: number;
  readonly suffix: string;
  /** `.deleted`, `.cleaned`, `.swap` or nothing. */
  readonly mark: string;
}

/** Undefined for any other file, and for offsets beyond 2^53. */
export function parseSegmentFileName(name: string): SegmentFileName | undefined {
  const match = SEGMENT_FILE.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[1]);
  if (!Number.isSafeInteger(offset)) return undefined;
  return { offset, suffix: match[2], mark: match[3] ?? '' };
}

export function partitionName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

export type FolderMark = 'delete' | 'future' | 'stray';

/**
 * `<topic>-<partition>.<unique>-delete`; `unique` is 32 hexadecimal digits. The topic is cut so that the whole has at
 * most 255 characters, as in Kafka.
 */
export function markedFolderName(of: TopicPartition, unique: string, mark: FolderMark): string {
  const tail = `-${of.partition}.${unique}-${mark}`;
  return of.topic.slice(0, 255 - tail.length) + tail;
}

export interface PartitionFolder extends TopicPartition {
  readonly mark: FolderMark | undefined;
}

/** Undefined for a folder that is no partition's: it is somebody else's and stays untouched. */
export function parsePartitionFolder(name: string): PartitionFolder | undefined {
  const marked = MARKED_FOLDER.exec(name);
  if (marked !== null)
    return { topic: marked[1], partition: Number(marked[2]), mark: marked[4] as FolderMark };
  const plain = PARTITION_FOLDER.exec(name);
  if (plain === null) return undefined;
  const partition = Number(plain[2]);
  if (partition > 2 ** 31 - 1 || String(partition) !== plain[2]) return undefined;
  return { topic: plain[1], partition, mark: undefined };
}
