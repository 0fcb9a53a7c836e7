/** `headrace topics`: its words. */
import type { Command } from 'commander';
import { parsePairs } from '../../src/cli/arguments.ts';
import {
  alterTopic,
  createTopic,
  deleteTopics,
  describeTopics,
  listTopics,
  type ListFlags,
} from '../../src/cli/topics/topics.ts';
import { gather, positiveNumber } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface CreateFlags extends CommonFlags {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config: readonly string[];
  readonly ifNotExists: boolean;
  readonly dryRun: boolean;
}

interface AlterFlags extends CommonFlags {
  readonly partitions?: number;
  readonly set: readonly string[];
  readonly unset: readonly string[];
}

export function define(topics: Command): void {
  withConnection(topics.command('list').description('Lists the topics.'))
    .option('--internal', "the brokers' own topics, too", false)
    .option('--match <pattern>', 'names that match a regular expression')
    .action((flags: CommonFlags & ListFlags, command: Command) =>
      runCommand({ command, flags }, (world) => listTopics(flags, world)),
    );
  withConnection(
    topics.command('describe <topic...>').description('Shows partitions, replicas, offsets, settings.'),
  ).action((names: string[], flags: CommonFlags, command: Command) =>
    runCommand({ command, flags }, (world) => describeTopics(names, world)),
  );
  withConnection(topics.command('create <topic>').description('Creates a topic.'))
    .option('-p, --partitions <count>', "default: the broker's num.partitions", positiveNumber)
    .option(
      '-r, --replication-factor <count>',
      "default: the broker's default.replication.factor",
      positiveNumber,
    )
    .option('--config <name=value>', 'a setting of the topic; may be repeated', gather, [])
    .option('--if-not-exists', 'a topic that is there already is no failure', false)
    .option('--dry-run', 'only check whether it could be created', false)
    .action((topic: string, flags: CreateFlags, command: Command) =>
      runCommand({ command, flags }, (world) =>
        createTopic(topic, { ...flags, configs: parsePairs(flags.config) }, world),
      ),
    );
  withConnection(topics.command('alter <topic>').description('Adds partitions, changes settings.'))
    .option('-p, --partitions <count>', 'how many there are to be', positiveNumber)
    .option('--set <name=value>', 'a setting of the topic; may be repeated', gather, [])
    .option('--unset <name>', 'take a setting back to its default; may be repeated', gather, [])
    .action((topic: string, flags: AlterFlags, command: Command) =>
      runCommand({ command, flags }, (world) =>
        alterTopic(topic, { ...flags, set: parsePairs(flags.set) }, world),
      ),
    );
  withConnection(topics.command('delete <topic...>').description('Deletes topics and all their records.'))
    .option('--if-exists', 'a topic that is not there is no failure', false)
    .action((names: string[], flags: CommonFlags & { readonly ifExists: boolean }, command: Command) =>
      runCommand({ command, flags }, (world) => deleteTopics(names, flags, world)),
    );
}
