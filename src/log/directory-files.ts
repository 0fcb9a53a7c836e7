/**
 * The small files of a log directory and of a partition's folder that are not checkpoints.
 *
 *   meta.properties       Java properties: version=1, cluster.id, node.id, directory.id (KIP-858); others are ignored
 *   partition.metadata    "version: 0\ntopic_id: <22 characters of base64url>"
 *   .kafka_cleanshutdown  JSON {"version":0,"brokerEpoch":n}: there only between a clean shutdown and the next start.
 *                         We add "logs": by folder name the end offset, the base offsets of the segments, the size of
 *                         the last .log file, whether there are producers, and the CRCs of what the shutdown wrote
 *                         without a sync; so that a start need not look into any of them, and a stop need not wait for
 *                         the device once per log. Kafka ignores what it does not know.
 */
import { parseUuid, printUuid, ZERO_UUID } from '../base/uuid.ts';

export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: number;
  /** ZERO_UUID when the file has none, as those of Kafka before 3.7. */
  readonly directoryId: string;
}

/** Undefined when the content makes no sense. */
export function parseMetaProperties(content: Buffer): MetaProperties | undefined {
  const values = new Map<string, string>();
  for (const line of content.toString('utf8').split(/\r?\n/)) {
    if (line.startsWith('#') || line.startsWith('!')) continue;
    const separator = line.search(/[=:]/);
    if (separator > 0)
      values.set(line.slice(0, separator).trim(), unescape(line.slice(separator + 1).trim()));
  }
  const clusterId = values.get('cluster.id');
  const nodeText = values.get('node.id') ?? values.get('broker.id');
  if (clusterId === undefined || nodeText === undefined || !/^-?\d{1,10}$/.test(nodeText)) return undefined;
  const directoryId = parseUuid(values.get('directory.id') ?? '') ?? ZERO_UUID;
  return { clusterId, nodeId: Number(nodeText), directoryId };
}

/** Java's writer escapes separators in values. */
function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1');
}

export function formatMetaProperties(meta: MetaProperties): Buffer {
  return Buffer.from(
    `#\nversion=1\ncluster.id=${meta.clusterId.replaceAll(/[=:#!\\]/g, '\\$&')}\nnode.id=${meta.nodeId}\n` +
      `directory.id=${printUuid(meta.directoryId)}\n`,
  );
}

/** The topic id, or undefined when the content makes no sense (as after a crash that lost it). */
export function parsePartitionMetadata(content: Buffer): string | undefined {
  const match = /^version: 0\r?\ntopic_id: (\S+)\s*$/.exec(content.toString('utf8'));
  return match === null ? undefined : parseUuid(match[1]);
}

export function formatPartitionMetadata(topicId: string): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${printUuid(topicId)}`);
}

/** What a clean shutdown left of one log. */
export interface CleanLog {
  readonly end: number;
  /** Base offsets, rising. */
  readonly segments: readonly number[];
  /** Of the last segment's .log file, in bytes. */
  readonly size: number;
  /** False: the producer state is empty, and no snapshot says so. */
  readonly producers: boolean;
  readonly crc: UnsyncedFiles;
}

/**
 * CRC-32Cs of small files that a clean shutdown wrote without a sync. They only repeat what the batches say: one that
 * does not match after a power cut is made anew. The indexes are the last segment's, and without CRCs there are none;
 * the other files are durable when they are not named.
 */
export interface UnsyncedFiles {
  readonly index?: number;
  readonly timeindex?: number;
  /** Of the producer snapshot at `snapshotOffset`. */
  readonly snapshot?: number;
  readonly snapshotOffset?: number;
  readonly epochs?: number;
}

export interface CleanShutdown {
  readonly brokerEpoch: number;
  /** By folder name; undefined when the file is Kafka's. */
  readonly logs: ReadonlyMap<string, CleanLog> | undefined;
}

export function formatCleanShutdown(brokerEpoch: number, logs: ReadonlyMap<string, CleanLog>): Buffer {
  return Buffer.from(JSON.stringify({ version: 0, brokerEpoch, logs: Object.fromEntries(logs) }));
}

/** The file's presence alone says that the shutdown was clean; an unreadable one says nothing more. */
export function parseCleanShutdown(content: Buffer): CleanShutdown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.toString('utf8'));
  } catch {
    return { brokerEpoch: -1, logs: undefined };
  }
  if (typeof parsed !== 'object' || parsed === null) return { brokerEpoch: -1, logs: undefined };
  const { brokerEpoch, logs } = parsed as { brokerEpoch?: unknown; logs?: unknown };
  return {
    brokerEpoch: typeof brokerEpoch === 'number' ? brokerEpoch : -1,
    logs: typeof logs === 'object' && logs !== null ? cleanLogs(logs) : undefined,
  };
}

function cleanLogs(logs: object): Map<string, CleanLog> {
  const found = new Map<string, CleanLog>();
  for (const [name, value] of Object.entries(logs)) {
    const { end, segments, size, producers, crc } = (value ?? {}) as Partial<Record<keyof CleanLog, unknown>>;
    if (isCount(end) && isCount(size) && Array.isArray(segments) && segments.every(isCount)) {
      found.set(name, { end, segments, size, producers: producers !== false, crc: unsyncedFiles(crc) });
    }
  }
  return found;
}

/** A CRC that is not a number matches no file. */
function unsyncedFiles(value: unknown): UnsyncedFiles {
  const found: Record<string, number> = {};
  for (const [name, crc] of Object.entries(value ?? {})) found[name] = isCount(crc) ? crc : -1;
  return found;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
