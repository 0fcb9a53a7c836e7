/** `headrace quotas`: its words. */
import type { Command } from 'commander';
import { parsePairs } from '../../src/cli/arguments.ts';
import { changeQuotas, listQuotas, parseEntity, parseQuotas } from '../../src/cli/quotas/quotas.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

const ENTITY = 'user/NAME, client-id/NAME, ip/ADDRESS; user alone: its default; by comma: both together';

export function define(quotas: Command): void {
  withConnection(quotas.command('list').description('Lists the quotas.'))
    .argument('[entity]', ENTITY)
    .action((entity: string | undefined, flags: CommonFlags, command: Command) =>
      runCommand({ command, flags }, (world) =>
        listQuotas(entity === undefined ? undefined : parseEntity(entity), world),
      ),
    );
  withConnection(quotas.command('set').description('Sets quotas, and leaves the others as they are.'))
    .argument('<entity>', ENTITY)
    .argument('<name=value...>', 'producer_byte_rate=10MB, consumer_byte_rate, request_percentage, ...')
    .action((entity: string, pairs: string[], flags: CommonFlags, command: Command) =>
      runCommand({ command, flags }, (world) =>
        changeQuotas(parseEntity(entity), parseQuotas(parsePairs(pairs)), world),
      ),
    );
  withConnection(quotas.command('unset').description('Removes quotas.'))
    .argument('<entity>', ENTITY)
    .argument('<name...>')
    .action((entity: string, names: string[], flags: CommonFlags, command: Command) =>
      runCommand({ command, flags }, (world) => {
        const removed = Object.fromEntries(names.map((name) => [name, null]));
        return changeQuotas(parseEntity(entity), removed, world);
      }),
    );
}
