/** `headrace acls`: its words. */
import type { Command } from 'commander';
import { addAcls, listAcls, removeAcls, type AclFlags } from '../../src/cli/acls/acls.ts';
import { gather } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface Flags extends CommonFlags {
  readonly principal?: string;
  readonly topic: readonly string[];
  readonly group: readonly string[];
  readonly transactionalId: readonly string[];
  readonly cluster: boolean;
  readonly prefixed: boolean;
  readonly operation: readonly string[];
  readonly host?: string;
  readonly deny: boolean;
}

export function define(acls: Command): void {
  withRule(
    acls.command('list').description('Lists the rules; for a topic also those by prefix and for all.'),
  ).action((flags: Flags, command: Command) =>
    runCommand({ command, flags }, (world) => listAcls(rule(flags), world)),
  );
  withRule(acls.command('add').description('Adds a rule for each resource and operation.')).action(
    (flags: Flags, command: Command) =>
      runCommand({ command, flags }, (world) => addAcls(rule(flags), world)),
  );
  withRule(acls.command('remove').description('Removes the rules that match.'))
    .option('--dry-run', 'only show them', false)
    .action((flags: Flags & { readonly dryRun: boolean }, command: Command) =>
      runCommand({ command, flags }, (world) => removeAcls({ ...rule(flags), dryRun: flags.dryRun }, world)),
    );
}

function withRule(command: Command): Command {
  return withConnection(command)
    .option('--principal <name>', 'User:NAME, or NAME for short')
    .option('--topic <name>', 'may be repeated, as may the others; * for all', gather, [])
    .option('--group <name>', 'a consumer group', gather, [])
    .option('--transactional-id <id>', 'a transactional id', gather, [])
    .option('--cluster', 'the cluster as a whole', false)
    .option('--prefixed', 'the names are how names begin', false)
    .option('--operation <name>', 'read, write, create, describe, all, ...', gather, [])
    .option('--host <address>', 'only from there')
    .option('--deny', 'a rule that forbids', false);
}

function rule({
  topic: topics,
  group: groups,
  transactionalId,
  operation: operations,
  ...others
}: Flags): AclFlags {
  return { ...others, topics, groups, transactionalIds: transactionalId, operations };
}
