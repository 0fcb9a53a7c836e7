/** `headrace reassign`: single partitions to brokers that are named. Whole clusters are for `headrace cluster rebalance`. */
import { parseNumbers, parseTopicPartition } from '../arguments.ts';
import { print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

export interface Move {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
}

/** `orders:0=1,2,3`: the first is the preferred leader. */
export function parseMove(text: string): Move {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new UsageError(`${text}: write TOPIC:NUMBER=BROKER,BROKER..., such as orders:0=1,2,3`);
  const ids = text.slice(at + 1).split(',');
  const replicas = ids.map((id) => parseNumbers(id)[0]!);
  if (new Set(replicas).size !== replicas.length) throw new UsageError(`${text}: a broker is named twice`);
  return { ...parseTopicPartition(text.slice(0, at)), replicas };
}

export async function listMoves(world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const found = await admin.listReassignments(world);
  const rows = found.map(({ topic, partition, replicas, addingReplicas, removingReplicas }) => [
    `${topic}-${partition}`,
    replicas.join(','),
    addingReplicas.join(','),
    removingReplicas.join(','),
  ]);
  print(world, {
    data: found,
    text: () => (rows.length === 0 ? 'nothing moves\n' : table(['partition', 'on', 'coming', 'going'], rows)),
  });
}

export async function startMoves(moves: readonly Move[], world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  await admin.alterReassignments(moves, world);
  const lines = moves.map(
    ({ topic, partition, replicas }) => `${topic}-${partition}: to ${replicas.join(',')}\n`,
  );
  print(world, {
    data: moves,
    text: () => `${lines.join('')}headrace reassign list shows what still moves\n`,
  });
}

export async function cancelMoves(names: readonly string[], world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const moves = names.map((name) => ({ ...parseTopicPartition(name), replicas: null }));
  await admin.alterReassignments(moves, world);
  print(world, { data: moves, text: () => `called back: ${names.join(', ')}\n` });
}
