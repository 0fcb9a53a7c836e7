/** `headrace groups`: who reads, how far each group is, and removing groups. */
import type { Admin, GroupDescription, GroupMember, TopicPartition } from '../../client/client.ts';
import { counted, print, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

export async function listGroups(
  flags: { readonly states: readonly string[] },
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  const groups = await admin.listGroups({ signal: world.signal, states: flags.states });
  const rows = groups.map(({ group, type, state, protocolType }) => [
    group,
    type === '' ? '-' : type,
    state === '' ? '-' : state,
    protocolType === '' ? '-' : protocolType,
  ]);
  print(world, {
    data: groups,
    text: () => (rows.length === 0 ? 'no groups\n' : table(['group', 'type', 'state', 'protocol'], rows)),
  });
}

/** How far a group is in a partition. */
export interface GroupProgress extends TopicPartition {
  /** Null where the group has committed nothing. Of a share group: everything before it is dealt with. */
  readonly committed: number | null;
  readonly begin: number;
  readonly end: number;
  /** What is left to read; all of it where nothing is committed. */
  readonly lag: number;
  readonly member: GroupMember | null;
}

export async function describeGroups(
  names: readonly string[],
  flags: { readonly members: boolean },
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  const groups = await admin.describeGroups(names, world);
  const found = await Promise.all(
    groups.map(async (group) => ({ group, partitions: await progressOf(admin, group, world) })),
  );
  print(world, {
    data: found.map(({ group: { members, ...group }, partitions }) => ({
      ...group,
      lag: lagOf(partitions),
      partitions: partitions.map(({ member, ...one }) => ({ ...one, memberId: member?.memberId ?? null })),
      members,
    })),
    text: () => found.map((one) => groupText(one, flags)).join('\n'),
  });
}

/** Of all partitions in which the group has an offset or a member. */
export async function progressOf(
  admin: Admin,
  { group, members, type }: Pick<GroupDescription, 'group' | 'members' | 'type'>,
  { signal }: CommandWorld,
): Promise<GroupProgress[]> {
  const offsets =
    type === 'share'
      ? await sharedOffsets(admin, group, signal)
      : await admin.groupOffsets(group, { signal });
  const left = new Map(offsets.map((one) => [nameOf(one), 'lag' in one ? one.lag : null]));
  const partitions = new Map<string, GroupProgress>();
  const add = (at: TopicPartition, part: Partial<GroupProgress>): void => {
    const name = nameOf(at);
    const { topic, partition } = at;
    const fresh = { topic, partition, committed: null, begin: 0, end: 0, lag: 0, member: null };
    partitions.set(name, { ...(partitions.get(name) ?? fresh), ...part });
  };
  for (const at of offsets) add(at, { committed: at.offset });
  for (const member of members) for (const at of member.partitions) add(at, { member });
  const all = [...partitions.values()].sort(byName);
  const bounds = await boundsOf(admin, all, signal);
  return all.map((one, n) => {
    const { begin, end } = bounds[n]!;
    const lag = left.get(nameOf(one)) ?? Math.max(0, end - Math.max(begin, one.committed ?? begin));
    return { ...one, begin, end, lag };
  });
}

/** With the broker's count of what is left, where it has one: behind the first some may be dealt with. */
export async function sharedOffsets(
  admin: Admin,
  group: string,
  signal: AbortSignal,
): Promise<(TopicPartition & { readonly offset: number; readonly lag: number | null })[]> {
  const offsets = await admin.shareGroupOffsets(group, { signal });
  return offsets.map(({ topic, partition, startOffset: offset, lag }) => ({ topic, partition, offset, lag }));
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** Begin and end; both -1 for what is gone, or has no leader. */
export async function boundsOf(
  admin: Admin,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<{ begin: number; end: number }[]> {
  const there = await existing(admin, partitions, signal);
  const asked = partitions.filter(there);
  const [begins, ends] = await Promise.all(
    (['earliest', 'latest'] as const).map((at) =>
      admin.listOffsets(
        asked.map(({ topic, partition }) => ({ topic, partition, at })),
        { signal },
      ),
    ),
  );
  const bounds = new Map(asked.map((one, n) => [one, { begin: begins![n]!.offset, end: ends![n]!.offset }]));
  return partitions.map((one) => bounds.get(one) ?? { begin: -1, end: -1 });
}

async function existing(
  admin: Admin,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<(at: TopicPartition) => boolean> {
  const wanted = new Set(partitions.map(({ topic }) => topic));
  if (wanted.size === 0) return () => false;
  const topics = await admin.describeTopics(null, { signal });
  const led = new Set(
    topics
      .filter(({ topic }) => wanted.has(topic))
      .flatMap(({ topic, partitions: all }) =>
        all.filter(({ leader }) => leader >= 0).map(({ partition }) => `${topic}-${partition}`),
      ),
  );
  return ({ topic, partition }) => led.has(`${topic}-${partition}`);
}

function byName(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition;
}

function lagOf(partitions: readonly GroupProgress[]): number {
  return partitions.reduce((sum, { lag }) => sum + lag, 0);
}

function groupText(
  { group, partitions }: { readonly group: GroupDescription; readonly partitions: readonly GroupProgress[] },
  flags: { readonly members: boolean },
): string {
  const by = group.protocol === '' ? '' : `, ${group.protocol}`;
  const members = counted(group.members.length, 'member');
  const head = `${group.group}: ${group.state} (${group.type}${by}), ${members}, lag ${lagOf(partitions)}\n`;
  const rows = partitions.map(({ topic, partition, committed, end, lag, member }) => [
    topic,
    partition,
    committed ?? '-',
    end < 0 ? '-' : end,
    end < 0 ? '-' : lag,
    member === null ? '-' : (member.instanceId ?? member.clientId),
    member === null ? '-' : member.host,
  ]);
  const progress =
    rows.length === 0
      ? '  nothing committed yet\n'
      : table(['topic', 'partition', 'committed', 'end', 'lag', 'member', 'host'], rows);
  return `${head}${progress}${flags.members ? membersText(group.members) : ''}`;
}

function membersText(members: readonly GroupMember[]): string {
  if (members.length === 0) return 'no members\n';
  const rows = members.map(({ memberId, clientId, host, partitions }) => [
    memberId,
    clientId,
    host,
    partitions.length === 0
      ? '-'
      : partitions.map(({ topic, partition }) => `${topic}-${partition}`).join(' '),
  ]);
  return table(['member id', 'client id', 'host', 'reads'], rows);
}

export async function deleteGroups(names: readonly string[], world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  await admin.deleteGroups(names, world);
  print(world, { data: { deleted: names }, text: () => `deleted ${names.join(', ')}\n` });
}
