/**
 * `headrace groups reset-offsets`: moves a group to other offsets. It shows what it would do; with `--apply` it does it. Only a
 * group without members can be moved, since members would commit their own offsets again.
 */
import type { Admin, GroupDescription, TopicPartition } from '../../client/client.ts';
import { parseNumbers } from '../arguments.ts';
import { CommandError, counted, print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';
import { boundsOf, sharedOffsets } from './groups.ts';

export interface ResetFlags {
  /** `name`, or `name:0,2-4`; several. */
  readonly topics: readonly string[];
  readonly allTopics: boolean;
  readonly target: ResetTarget;
  readonly apply: boolean;
}

export type ResetTarget =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: number }
  | { readonly offset: number }
  | { readonly shift: number };

export interface ResetStep extends TopicPartition {
  readonly before: number | null;
  readonly after: number;
  /** What there is to read afterwards. */
  readonly lag: number;
}

export interface ResetTargets {
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly toTimeMs?: number;
  readonly toOffset?: number;
  readonly shiftBy?: number;
}

/** Exactly one of them. Throws UsageError. */
export function targetOf({ toEarliest, toLatest, toTimeMs, toOffset, shiftBy }: ResetTargets): ResetTarget {
  const given: ResetTarget[] = [
    ...(toEarliest === true ? ['earliest' as const] : []),
    ...(toLatest === true ? ['latest' as const] : []),
    ...(toTimeMs === undefined ? [] : [{ timestamp: toTimeMs }]),
    ...(toOffset === undefined ? [] : [{ offset: toOffset }]),
    ...(shiftBy === undefined ? [] : [{ shift: shiftBy }]),
  ];
  if (given.length === 1) return given[0]!;
  throw new UsageError(
    'where to? Give one of --to-earliest, --to-latest, --to-time, --to-offset and --shift-by',
  );
}

export async function resetOffsets(group: string, flags: ResetFlags, world: CommandWorld): Promise<void> {
  if (flags.allTopics === flags.topics.length > 0) {
    throw new UsageError(
      'which topics? Give --topic NAME (or NAME:0,2-4), several times if need be, or --all-topics',
    );
  }
  const admin = await world.admin();
  const { signal } = world;
  const isShare = (await checkIsEmpty(admin, group, signal)) === 'share';
  const offsets = isShare
    ? await sharedOffsets(admin, group, signal)
    : await admin.groupOffsets(group, { signal });
  const before = new Map(offsets.map((one) => [nameOf(one), one.offset]));
  const partitions = flags.allTopics ? offsets : await namedPartitions(admin, flags.topics, signal);
  if (partitions.length === 0)
    throw new CommandError(`${group} has no offsets: --topic says what it is to read`);
  const steps = await stepsOf({ admin, partitions, before, target: flags.target }, signal);
  if (flags.apply) {
    const changes = steps.map(({ topic, partition, after }) => ({ topic, partition, offset: after }));
    if (isShare) await admin.alterShareGroupOffsets(group, changes, { signal });
    else await admin.alterGroupOffsets(group, changes, { signal });
  }
  print(world, {
    data: { group, applied: flags.apply, partitions: steps },
    text: () => `${stepsText(steps)}${resultText(group, steps, flags.apply)}`,
  });
}

/** Yields which kind of group it is; undefined for none. */
async function checkIsEmpty(
  admin: Admin,
  group: string,
  signal: AbortSignal,
): Promise<GroupDescription['type'] | undefined> {
  try {
    const { members, type } = await admin.describeGroup(group, { signal });
    if (members.length === 0) return type;
    const who = members.map(({ clientId, host }) => `${clientId} at ${host}`).join(', ');
    throw new CommandError(`${group} has ${counted(members.length, 'member')} (${who}): stop them first`);
  } catch (error) {
    // A group may be given offsets before it has ever been there.
    if ((error as { errorName?: string }).errorName !== 'GROUP_ID_NOT_FOUND') throw error;
    return undefined;
  }
}

async function namedPartitions(
  admin: Admin,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<TopicPartition[]> {
  const named = topics.map((text) => {
    const at = text.lastIndexOf(':');
    return at < 0 ? { topic: text } : { topic: text.slice(0, at), only: parseNumbers(text.slice(at + 1)) };
  });
  const found = await admin.describeTopics(
    named.map(({ topic }) => topic),
    { signal },
  );
  return found.flatMap(({ topic, partitions }, n) => {
    const all = partitions.map(({ partition }) => partition);
    const { only = all } = named[n]!;
    const missing = only.find((one) => !all.includes(one));
    if (missing !== undefined)
      throw new UsageError(`${topic} has partitions 0 to ${all.length - 1}, not ${missing}`);
    return only.map((partition) => ({ topic, partition }));
  });
}

interface Question {
  readonly admin: Admin;
  readonly partitions: readonly TopicPartition[];
  readonly before: ReadonlyMap<string, number>;
  readonly target: ResetTarget;
}

async function stepsOf(
  { admin, partitions, before, target }: Question,
  signal: AbortSignal,
): Promise<readonly ResetStep[]> {
  const bounds = await boundsOf(admin, partitions, signal);
  const there = partitions.map((one, n) => ({ one, ...bounds[n]! })).filter(({ end }) => end >= 0);
  const times =
    typeof target === 'object' && 'timestamp' in target
      ? await admin.listOffsets(
          there.map(({ one: { topic, partition } }) => ({ topic, partition, at: target })),
          { signal },
        )
      : [];
  return there.map(({ one: { topic, partition }, begin, end }, n) => {
    const now = before.get(nameOf({ topic, partition })) ?? null;
    const after = placeIn({ begin, end }, { target, now, atTime: times[n]?.offset ?? -1 });
    return { topic, partition, before: now, after, lag: end - after };
  });
}

/** Within what is there: an offset beyond the end, or before the begin, would be moved by the consumer's own rules. */
export function placeIn(
  { begin, end }: { readonly begin: number; readonly end: number },
  {
    target,
    now,
    atTime,
  }: { readonly target: ResetTarget; readonly now: number | null; readonly atTime: number },
): number {
  if (target === 'earliest') return begin;
  if (target === 'latest') return end;
  if ('timestamp' in target) return atTime < 0 ? end : atTime;
  const wanted = 'offset' in target ? target.offset : (now ?? begin) + target.shift;
  return Math.min(end, Math.max(begin, wanted));
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

function stepsText(steps: readonly ResetStep[]): string {
  const rows = steps.map(({ topic, partition, before, after, lag }) => [
    topic,
    partition,
    before ?? '-',
    after,
    lag,
  ]);
  return table(['topic', 'partition', 'now', 'then', 'lag then'], rows);
}

function resultText(group: string, steps: readonly ResetStep[], isApplied: boolean): string {
  const moved = steps.filter(({ before, after }) => before !== after).length;
  if (isApplied) return `${group}: ${counted(moved, 'partition')} moved\n`;
  return moved === 0
    ? 'nothing would change\n'
    : `${counted(moved, 'partition')} would move; --apply does it\n`;
}
