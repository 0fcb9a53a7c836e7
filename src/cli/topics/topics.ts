/** `headrace topics`: the topics of a cluster, made, shown, changed and removed. */
import type { Admin, ConfigEntry, PartitionDescription, TopicDescription } from '../../client/client.ts';
import { CommandError, counted, print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

export interface ListFlags {
  /** The brokers' own, too. */
  readonly internal: boolean;
  /** A regular expression for the names. */
  readonly match?: string;
}

export async function listTopics({ internal, match }: ListFlags, world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const pattern = match === undefined ? undefined : patternOf(match);
  const all = await admin.describeTopics(null, world);
  const topics = all.filter(
    ({ topic, isInternal }) => (internal || !isInternal) && pattern?.test(topic) !== false,
  );
  const rows = topics.map(({ topic, partitions }) => [
    topic,
    partitions.length,
    partitions[0]?.replicas.length ?? 0,
    problemsOf(partitions),
  ]);
  const data = topics.map(({ topic, topicId, isInternal, partitions }) => ({
    topic,
    topicId,
    isInternal,
    partitions: partitions.length,
    replicationFactor: partitions[0]?.replicas.length ?? 0,
    offline: partitions.filter(({ leader }) => leader < 0).length,
    underReplicated: partitions.filter(isBehind).length,
  }));
  const nothing = match === undefined ? 'no topics yet: headrace topics create NAME makes one\n' : 'none\n';
  print(world, {
    data,
    text: () => (rows.length === 0 ? nothing : table(['topic', 'partitions', 'replicas', 'health'], rows)),
  });
}

export async function describeTopics(names: readonly string[], world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const topics = await admin.describeTopics(names, world);
  const described = await Promise.all(topics.map((topic) => describe(admin, topic, world)));
  print(world, {
    data: described.map(({ configs, ...topic }) => ({
      ...topic,
      configs: Object.fromEntries(configs.map(({ name, value }) => [name, value])),
    })),
    text: () => described.map(describedText).join('\n'),
  });
}

interface Described {
  readonly topic: string;
  readonly topicId: string;
  readonly records: number;
  readonly partitions: readonly (PartitionDescription & { readonly begin: number; readonly end: number })[];
  readonly configs: readonly ConfigEntry[];
}

async function describe(admin: Admin, topic: TopicDescription, world: CommandWorld): Promise<Described> {
  const led = topic.partitions.filter(({ leader }) => leader >= 0);
  const ask = (at: 'earliest' | 'latest') =>
    admin.listOffsets(
      led.map(({ partition }) => ({ topic: topic.topic, partition, at })),
      world,
    );
  const [begins, ends, configs] = await Promise.all([
    ask('earliest'),
    ask('latest'),
    admin.describeConfigs({ type: 'topic', name: topic.topic }, world),
  ]);
  const offsets = new Map(led.map(({ partition }, n) => [partition, [begins[n]!.offset, ends[n]!.offset]]));
  const partitions = topic.partitions.map((one) => {
    const [begin = -1, end = -1] = offsets.get(one.partition) ?? [];
    return { ...one, begin, end };
  });
  return {
    topic: topic.topic,
    topicId: topic.topicId,
    records: partitions.reduce((sum, { begin, end }) => sum + end - begin, 0),
    partitions,
    configs: configs.filter(({ source }) => source === 'topic'),
  };
}

function describedText({ topic, topicId, partitions, configs, records }: Described): string {
  const rows = partitions.map((one) => [
    one.partition,
    one.leader < 0 ? 'none' : one.leader,
    one.replicas.join(','),
    one.inSyncReplicas.join(','),
    one.begin < 0 ? '-' : one.begin,
    one.end < 0 ? '-' : one.end,
  ]);
  const own = configs.map(
    ({ name, value, isSensitive }) => `  ${name}=${isSensitive ? '(secret)' : value}\n`,
  );
  return [
    `${topic}: ${counted(partitions.length, 'partition')}, ${counted(records, 'offset')} in use, id ${topicId}\n`,
    table(['partition', 'leader', 'replicas', 'in sync', 'begin', 'end'], rows),
    own.length === 0 ? '' : `settings of its own:\n${own.join('')}`,
  ].join('');
}

export interface CreateFlags {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly ifNotExists: boolean;
  readonly dryRun: boolean;
}

export async function createTopic(topic: string, flags: CreateFlags, world: CommandWorld): Promise<void> {
  const { partitions, replicationFactor, configs, ifNotExists, dryRun } = flags;
  const admin = await world.admin();
  const wanted = {
    topic,
    configs,
    ...(partitions === undefined ? {} : { partitions }),
    ...(replicationFactor === undefined ? {} : { replicationFactor }),
  };
  try {
    const [made] = await admin.createTopics([wanted], { validateOnly: dryRun, signal: world.signal });
    const data = { ...made!, created: !dryRun };
    const shape =
      made!.partitions < 0
        ? ''
        : `: ${counted(made!.partitions, 'partition')}, ${counted(made!.replicationFactor, 'replica')} each`;
    print(world, { data, text: () => `${dryRun ? 'would create' : 'created'} ${topic}${shape}\n` });
  } catch (error) {
    const isThere = (error as { errorName?: string }).errorName === 'TOPIC_ALREADY_EXISTS';
    if (!isThere || !ifNotExists) throw error;
    print(world, { data: { topic, created: false }, text: () => `${topic} is there already\n` });
  }
}

export async function deleteTopics(
  names: readonly string[],
  { ifExists }: { readonly ifExists: boolean },
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  let deleted = [...names];
  try {
    await admin.deleteTopics(names, world);
  } catch (error) {
    const failures = (error as { failures?: { item: string; error: { errorName: string } }[] }).failures;
    const isGone = failures?.every((one) => one.error.errorName === 'UNKNOWN_TOPIC_OR_PARTITION') === true;
    if (!ifExists || !isGone) throw error;
    deleted = names.filter((name) => failures!.every(({ item }) => item !== name));
  }
  const said = deleted.length === 0 ? 'nothing to delete' : `deleted ${deleted.join(', ')}`;
  print(world, { data: { deleted }, text: () => `${said}\n` });
}

export interface AlterFlags {
  /** How many partitions there are to be. */
  readonly partitions?: number;
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
}

export async function alterTopic(topic: string, flags: AlterFlags, world: CommandWorld): Promise<void> {
  const { partitions, set, unset } = flags;
  const changes: Record<string, string | null> = { ...set };
  for (const name of unset) changes[name] = null;
  const said: string[] = [];
  if (partitions === undefined && Object.keys(changes).length === 0) {
    throw new UsageError('nothing to change: give --partitions, --set or --unset');
  }
  const admin = await world.admin();
  if (partitions !== undefined) {
    const [now] = await admin.describeTopics([topic], world);
    const before = now!.partitions.length;
    if (partitions < before) {
      throw new CommandError(`${topic} has ${before} partitions; a topic can only be given more of them`);
    }
    if (partitions > before) await admin.createPartitions({ topic, count: partitions }, world);
    said.push(`${topic}: ${before} -> ${partitions} partitions`);
  }
  if (Object.keys(changes).length > 0) {
    await admin.alterConfigs({ type: 'topic', name: topic }, changes, world);
    for (const [name, value] of Object.entries(changes)) {
      said.push(value === null ? `${topic}: ${name} is back at its default` : `${topic}: ${name}=${value}`);
    }
  }
  const data = { topic, ...(partitions === undefined ? {} : { partitions }), configs: changes };
  print(world, { data, text: () => said.map((line) => `${line}\n`).join('') });
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new UsageError(`--match ${text}: this is no regular expression`);
  }
}

function isBehind({ inSyncReplicas, replicas }: PartitionDescription): boolean {
  return inSyncReplicas.length < replicas.length;
}

function problemsOf(partitions: readonly PartitionDescription[]): string {
  const offline = partitions.filter(({ leader }) => leader < 0).length;
  const behind = partitions.filter((one) => one.leader >= 0 && isBehind(one)).length;
  const problems = [
    ...(offline > 0 ? [`${offline} offline`] : []),
    ...(behind > 0 ? [`${behind} not fully in sync`] : []),
  ];
  return problems.length === 0 ? 'ok' : problems.join(', ');
}
