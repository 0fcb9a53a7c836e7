/** `headrace groups`: its words. */
import type { Command } from 'commander';
import { parseTime } from '../../src/cli/arguments.ts';
import { deleteGroups, describeGroups, listGroups } from '../../src/cli/groups/groups.ts';
import { resetOffsets, targetOf } from '../../src/cli/groups/reset-offsets.ts';
import { anyNumber, gather, nodeNumber } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface ResetFlags extends CommonFlags {
  readonly topic: readonly string[];
  readonly allTopics: boolean;
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly toTime?: string;
  readonly toOffset?: number;
  readonly shiftBy?: number;
  readonly apply: boolean;
}

export function define(groups: Command): void {
  withConnection(groups.command('list').description('Lists the groups.'))
    .option('--state <state>', 'only groups that are Stable, Empty, ...; may be repeated', gather, [])
    .action((flags: CommonFlags & { readonly state: readonly string[] }, command: Command) =>
      runCommand({ command, flags }, (world) => listGroups({ states: flags.state }, world)),
    );
  withConnection(
    groups.command('describe <group...>').description('Shows how far groups are, and who is in them.'),
  )
    .option('--members', 'what each member reads', false)
    .action((names: string[], flags: CommonFlags & { readonly members: boolean }, command: Command) =>
      runCommand({ command, flags }, (world) => describeGroups(names, flags, world)),
    );
  withConnection(
    groups
      .command('reset-offsets <group>')
      .description('Moves a group; shows what it would do unless --apply is given.'),
  )
    .option('--topic <name[:partitions]>', 'such as orders or orders:0,2-4; may be repeated', gather, [])
    .option('--all-topics', 'all that the group has offsets of', false)
    .option('--to-earliest', 'to the oldest record')
    .option('--to-latest', 'behind the newest record')
    .option('--to-time <time>', 'to the first record at or after 2026-01-31T12:00:00Z, or so long ago: 2h')
    .option('--to-offset <number>', 'to an offset', nodeNumber)
    .option('--shift-by <number>', 'forward by so many, back by -10', anyNumber)
    .option('--apply', 'do it', false)
    .action((group: string, flags: ResetFlags, command: Command) =>
      runCommand({ command, flags }, (world) => {
        const { toTime, topic: topics, ...others } = flags;
        const time = toTime === undefined ? {} : { toTimeMs: parseTime(toTime, world.clock.nowMs()) };
        const target = targetOf({ ...others, ...time });
        return resetOffsets(group, { ...others, topics, target }, world);
      }),
    );
  withConnection(
    groups
      .command('delete <group...>')
      .description('Deletes groups that have no members, and their offsets.'),
  ).action((names: string[], flags: CommonFlags, command: Command) =>
    runCommand({ command, flags }, (world) => deleteGroups(names, world)),
  );
}
