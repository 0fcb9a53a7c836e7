/** Where reading begins and ends, by partition. */
import type { Admin, OffsetSpec, TopicPartition } from '../../client/client.ts';
import { CommandError, UsageError, type CommandWorld } from '../command.ts';

export interface SelectionFlags {
  readonly partitions?: readonly number[];
  readonly fromBeginning: boolean;
  /** The last so many records of the topic. */
  readonly tail?: number;
  readonly offset?: number;
  readonly fromTimeMs?: number;
  /** Goes on with what comes. */
  readonly follow: boolean;
  /** Begins where the group is; without an offset there, as without a group. */
  readonly group?: string;
  readonly isolation: 'committed' | 'uncommitted';
}

export interface PartitionRange extends TopicPartition {
  readonly begin: number;
  /** Behind the last record that is there now. */
  readonly end: number;
}

/** Throws UsageError for what does not go together. */
export function checkSelection(flags: SelectionFlags): void {
  const starts = [
    flags.fromBeginning ? '--from-beginning' : '',
    flags.tail === undefined ? '' : '--tail',
    flags.offset === undefined ? '' : '--offset',
    flags.fromTimeMs === undefined ? '' : '--from-time',
  ].filter((name) => name !== '');
  if (starts.length > 1) throw new UsageError(`${starts.join(' and ')}: one place to begin at`);
  if (flags.group !== undefined) {
    const not =
      flags.partitions === undefined ? starts.filter((name) => name !== '--from-beginning') : ['--partition'];
    if (not.length > 0) {
      throw new UsageError(
        `--group goes on where the group is, so ${not[0]} has no meaning; groups reset-offsets moves a group`,
      );
    }
  }
}

/** The partitions to read, from where to where. */
export async function rangesOf(
  topic: string,
  flags: SelectionFlags,
  world: CommandWorld,
): Promise<PartitionRange[]> {
  const admin = await world.admin();
  const [found] = await admin.describeTopics([topic], world);
  const all = found!.partitions.map(({ partition }) => partition);
  for (const one of flags.partitions ?? []) {
    if (!all.includes(one))
      throw new UsageError(`--partition ${one}: ${topic} has partitions 0 to ${all.length - 1}`);
  }
  const wanted = (flags.partitions ?? all).map((partition) => ({ topic, partition }));
  const silent = found!.partitions.filter(
    ({ partition, leader }) => leader < 0 && wanted.some((one) => one.partition === partition),
  );
  if (silent.length > 0) {
    throw new CommandError(
      `${topic} has no leader for ${silent.map(({ partition }) => partition).join(', ')}; --partition chooses others`,
    );
  }
  const [begins, ends] = await Promise.all([
    offsetsAt(admin, { partitions: wanted, at: 'earliest' }, { flags, world }),
    offsetsAt(admin, { partitions: wanted, at: 'latest' }, { flags, world }),
  ]);
  const ranges = wanted.map((one, n) => ({ ...one, begin: begins[n]!, end: ends[n]! }));
  if (flags.fromTimeMs === undefined)
    return ranges.map((range) => ({ ...range, begin: beginIn(range, flags) }));
  const timestamp = flags.fromTimeMs;
  const later = await offsetsAt(admin, { partitions: wanted, at: { timestamp } }, { flags, world });
  return ranges.map((range, n) => ({ ...range, begin: later[n]! < 0 ? range.end : later[n]! }));
}

function beginIn(
  { begin, end }: PartitionRange,
  { tail, offset, follow, fromBeginning }: SelectionFlags,
): number {
  if (tail !== undefined) return Math.max(begin, end - tail);
  if (offset !== undefined) return Math.min(end, Math.max(begin, offset < 0 ? end + offset : offset));
  return follow && !fromBeginning ? end : begin;
}

async function offsetsAt(
  admin: Admin,
  { partitions, at }: { readonly partitions: readonly TopicPartition[]; readonly at: OffsetSpec },
  { flags, world }: { readonly flags: SelectionFlags; readonly world: CommandWorld },
): Promise<number[]> {
  const { isolation } = flags;
  const found = await admin.listOffsets(
    partitions.map((one) => ({ ...one, at })),
    { isolation, signal: world.signal },
  );
  return found.map(({ offset }) => offset);
}
