/**
 * Checkpoint files: small text files that are replaced as a whole.
 *
 *   version "\n" count "\n" then `count` lines, each of space-separated fields, each ended by "\n"
 *
 * Version is 0. A file is valid if the number of lines is the count and each line has as many fields as its kind has.
 * A new one is written beside the old one (`.tmp`), synced and renamed over it, so one of the two is always whole.
 */
import { DiskError } from '../base/ports.ts';
import type { Disk, DiskFile } from '../base/ports.ts';
import type { TopicPartition } from './file-names.ts';

const VERSION = '0';
/** Larger files are not ours. */
export const SMALL_FILE_BYTES_MAX = 256 * 1024 ** 2;

export class CheckpointError extends Error {
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = 'CheckpointError';
  }
}

/** The whole of a small file; undefined when there is none. */
export function readSmallFile(disk: Disk, path: string): Buffer | undefined {
  let file;
  try {
    file = disk.open(path, 'read');
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const sizeBytes = file.sizeBytes();
    if (sizeBytes > SMALL_FILE_BYTES_MAX) throw new CheckpointError(path, `is ${sizeBytes} bytes long`);
    const buffer = Buffer.allocUnsafe(sizeBytes);
    return buffer.subarray(0, file.read(0, buffer));
  } finally {
    file.close();
  }
}

/** Gives a small file this content, in its place; returns it for the caller to sync, if it likes, and to close. */
export function overwriteFile(disk: Disk, path: string, content: Buffer): DiskFile {
  const file = disk.open(path, 'create');
  try {
    if (file.sizeBytes() > content.length) file.truncate(content.length);
    file.write(0, [content]);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** Replaces a file as a whole, with both the bytes and the new name durable on return. */
export function replaceFileNow(disk: Disk, path: string, content: Buffer): void {
  const temporary = `${path}.tmp`;
  const file = disk.open(temporary, 'create');
  try {
    file.truncate(0);
    file.write(0, [content]);
    file.syncNow();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  disk.syncDirectory(parentOf(path));
}

/**
 * As above without blocking. After a crash either the old or the new content is there: for files whose old content is
 * as safe, only less recent. `isStillWanted` is asked before the rename.
 */
export async function replaceFile(
  disk: Disk,
  path: string,
  content: Buffer,
  isStillWanted: () => boolean = () => true,
): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = disk.open(temporary, 'create');
  try {
    file.truncate(0);
    file.write(0, [content]);
    await file.sync();
  } finally {
    file.close();
  }
  if (isStillWanted()) disk.rename(temporary, path);
}

/**
 * Makes a folder, and its parents, so that their names survive a power cut; also if it is there, since a process that
 * died may have made it.
 */
export function makeDurableDirectory(disk: Disk, path: string): void {
  const parent = parentOf(path);
  if (disk.stat(path) === undefined) {
    if (parent !== path) makeDurableDirectory(disk, parent);
    disk.makeDirectory(path);
  }
  if (parent !== path) disk.syncDirectory(parent);
}

export function parentOf(path: string): string {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  if (cut > 0) return path.slice(0, cut);
  return cut === 0 ? path.slice(0, 1) : '.';
}

/** The lines of a checkpoint, split into fields. Throws CheckpointError. */
export function parseCheckpoint(path: string, content: Buffer, fieldCount: number): string[][] {
  const lines = content.toString('utf8').split('\n');
  if (lines[0] !== VERSION) throw new CheckpointError(path, `unknown version ${JSON.stringify(lines[0])}`);
  const count = parseInteger(lines[1] ?? '');
  // The text ends in a newline, so a whole file splits into the two first lines, `count` lines and an empty string.
  if (count === undefined || count < 0 || lines.length !== count + 3 || lines[count + 2] !== '') {
    throw new CheckpointError(path, `holds ${lines.length - 3} entries instead of ${lines[1]}`);
  }
  const entries: string[][] = [];
  for (let index = 2; index < lines.length - 1; index++) {
    const fields = lines[index].split(' ');
    if (fields.length !== fieldCount) throw new CheckpointError(path, `malformed line ${index + 1}`);
    entries.push(fields);
  }
  return entries;
}

export function formatCheckpoint(entries: readonly string[]): Buffer {
  return Buffer.from(`${VERSION}\n${entries.length}\n${entries.map((entry) => `${entry}\n`).join('')}`);
}

/** Undefined unless the text is a decimal integer within 2^53. */
export function parseInteger(text: string): number | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

/**
 * A checkpoint of one offset per partition: lines `topic partition offset`. The offsets by folder name; a missing file
 * is an empty one. Throws CheckpointError.
 */
export function readOffsetCheckpoint(disk: Disk, path: string): Map<string, number> {
  const offsets = new Map<string, number>();
  const content = readSmallFile(disk, path);
  if (content === undefined) return offsets;
  for (const [topic, partition, offsetText] of parseCheckpoint(path, content, 3)) {
    const offset = parseInteger(offsetText);
    if (offset === undefined || parseInteger(partition) === undefined) {
      throw new CheckpointError(path, `malformed entry for ${topic}`);
    }
    offsets.set(`${topic}-${partition}`, offset);
  }
  return offsets;
}

export function formatOffsetCheckpoint(offsets: Iterable<PartitionOffset>): Buffer {
  const lines: string[] = [];
  for (const { topic, partition, offset } of offsets) lines.push(`${topic} ${partition} ${offset}`);
  return formatCheckpoint(lines);
}
