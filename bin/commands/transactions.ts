/** `headrace transactions`: its words. */
import type { Command } from 'commander';
import { parseDuration } from '../../src/cli/arguments.ts';
import {
  abortTransactions,
  describeTransactions,
  listTransactions,
  type AbortFlags,
} from '../../src/cli/transactions/transactions.ts';
import { anyNumber, gather } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface ListFlags extends CommonFlags {
  readonly state: readonly string[];
  readonly longerThan?: string;
}

export function define(transactions: Command): void {
  withConnection(transactions.command('list').description('Lists the transactional ids.'))
    .option('--state <state>', 'only Ongoing, Empty, CompleteCommit, ...; may be repeated', gather, [])
    .option('--longer-than <duration>', 'only transactions that have been open for longer, such as 15m')
    .action((flags: ListFlags, command: Command) =>
      runCommand({ command, flags }, (world) => {
        const { state: states, longerThan } = flags;
        const longer = longerThan === undefined ? {} : { longerThanMs: parseDuration(longerThan) };
        return listTransactions({ states, ...longer }, world);
      }),
    );
  withConnection(
    transactions.command('describe <id...>').description('Shows what transactional ids have open.'),
  ).action((ids: string[], flags: CommonFlags, command: Command) =>
    runCommand({ command, flags }, (world) => describeTransactions(ids, world)),
  );
  withConnection(
    transactions
      .command('abort [id...]')
      .description('Aborts what transactional ids have open, and fences their producers.'),
  )
    .option('--partition <topic:number>', 'or what hangs in a partition, and no coordinator remembers')
    .option('--producer-id <number>', 'which of them, where several hang', anyNumber)
    .action((ids: string[], flags: CommonFlags & AbortFlags, command: Command) =>
      runCommand({ command, flags }, (world) => abortTransactions(ids, flags, world)),
    );
}
