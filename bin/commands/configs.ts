/** `headrace configs`: its words. */
import type { Command } from 'commander';
import { parsePairs } from '../../src/cli/arguments.ts';
import { changeConfigs, getConfigs, parseResource, type GetFlags } from '../../src/cli/configs/configs.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

const RESOURCE = 'topic/NAME, broker/ID, broker (all), group/NAME or client-metrics/NAME';

type ChangeFlags = CommonFlags & { readonly dryRun: boolean };

export function define(configs: Command): void {
  withConnection(
    configs.command('get').description('Shows settings that are not at their defaults, or those named.'),
  )
    .argument('<resource>', RESOURCE)
    .argument('[name...]', 'which settings')
    .option('--all', 'those at their defaults, too', false)
    .option('--explain', 'with what each of them means', false)
    .action((resource: string, names: string[], flags: CommonFlags & GetFlags, command: Command) =>
      runCommand({ command, flags }, (world) =>
        getConfigs({ resource: parseResource(resource), names }, flags, world),
      ),
    );
  withConnection(configs.command('set').description('Changes settings, and leaves the others as they are.'))
    .argument('<resource>', RESOURCE)
    .argument('<name=value...>')
    .option('--dry-run', 'only check whether they would be accepted', false)
    .action((resource: string, pairs: string[], flags: ChangeFlags, command: Command) =>
      runCommand({ command, flags }, (world) =>
        changeConfigs(parseResource(resource), { changes: parsePairs(pairs), dryRun: flags.dryRun }, world),
      ),
    );
  withConnection(configs.command('unset').description('Takes settings back to their defaults.'))
    .argument('<resource>', RESOURCE)
    .argument('<name...>')
    .option('--dry-run', 'only check whether it would be accepted', false)
    .action((resource: string, names: string[], flags: ChangeFlags, command: Command) =>
      runCommand({ command, flags }, (world) => {
        const changes = Object.fromEntries(names.map((name) => [name, null]));
        return changeConfigs(parseResource(resource), { changes, dryRun: flags.dryRun }, world);
      }),
    );
}
