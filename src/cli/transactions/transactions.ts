/** `headrace transactions`: which there are, what they have written to, and ending those that do not end by themselves. */
import type { ActiveProducer, Admin, TopicPartition } from '../../client/client.ts';
import { parseTopicPartition, printTime } from '../arguments.ts';
import { CommandError, print, UsageError, type CommandWorld } from '../command.ts';
import { table } from '../table.ts';

export interface ListFlags {
  readonly states: readonly string[];
  readonly longerThanMs?: number;
}

export async function listTransactions(
  { states, longerThanMs }: ListFlags,
  world: CommandWorld,
): Promise<void> {
  const admin = await world.admin();
  const found = await admin.listTransactions({
    signal: world.signal,
    states,
    ...(longerThanMs === undefined ? {} : { runningLongerThanMs: longerThanMs }),
  });
  const rows = found.map(({ transactionalId, state, producerId }) => [transactionalId, state, producerId]);
  print(world, {
    data: found,
    text: () =>
      rows.length === 0
        ? 'no transactional ids\n'
        : table(['transactional id', 'state', 'producer id'], rows),
  });
}

export async function describeTransactions(ids: readonly string[], world: CommandWorld): Promise<void> {
  const admin = await world.admin();
  const found = await admin.describeTransactions(ids, world);
  const rows = found.map((one) => [
    one.transactionalId,
    one.state,
    one.producerId,
    one.producerEpoch,
    one.startTimeMs === null ? '-' : printTime(one.startTimeMs),
    one.partitions.length === 0 ? '-' : one.partitions.map(nameOf).join(' '),
  ]);
  print(world, {
    data: found,
    text: () => table(['transactional id', 'state', 'producer id', 'epoch', 'began', 'partitions'], rows),
  });
}

export interface AbortFlags {
  /** `topic:0`: what hangs there, which no coordinator remembers. */
  readonly partition?: string;
  /** Which of them, where several hang. */
  readonly producerId?: number;
}

/** By transactional id: its producers are fenced, and what they have open is aborted. */
export async function abortTransactions(
  ids: readonly string[],
  { partition, producerId }: AbortFlags,
  world: CommandWorld,
): Promise<void> {
  if (ids.length > 0 === (partition !== undefined)) {
    throw new UsageError(
      'what? Give transactional ids, or --partition TOPIC:NUMBER for one that hangs there',
    );
  }
  const admin = await world.admin();
  if (partition === undefined) {
    const fenced = await admin.fenceProducers(ids, world);
    const lines = fenced.map((one) => `${one.transactionalId}: aborted, and its producers are fenced\n`);
    return print(world, { data: fenced, text: () => lines.join('') });
  }
  const at = parseTopicPartition(partition);
  const hanging = await hangingIn(admin, { at, producerId }, world);
  const { producerEpoch, coordinatorEpoch } = hanging;
  await admin.abortTransaction(
    { ...at, producerId: hanging.producerId, producerEpoch, coordinatorEpoch },
    world,
  );
  print(world, {
    data: { ...at, producerId: hanging.producerId },
    text: () => `${nameOf(at)}: the transaction of producer ${hanging.producerId} is aborted\n`,
  });
}

async function hangingIn(
  admin: Admin,
  { at, producerId }: { readonly at: TopicPartition; readonly producerId: number | undefined },
  world: CommandWorld,
): Promise<ActiveProducer> {
  const [found] = await admin.describeProducers([at], world);
  const open = found!.producers.filter(
    (one) =>
      one.transactionStartOffset !== null && (producerId === undefined || one.producerId === producerId),
  );
  if (open.length === 0) throw new CommandError(`no transaction is open in ${nameOf(at)}`);
  if (open.length === 1) return open[0]!;
  const which = open.map((one) => `${one.producerId} from offset ${one.transactionStartOffset}`).join(', ');
  throw new CommandError(
    `several transactions are open in ${nameOf(at)}: choose by --producer-id (${which})`,
  );
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
