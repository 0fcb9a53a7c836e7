/** `headrace log-dirs`: its words. */
import type { Command } from 'commander';
import { parseNumbers } from '../../src/cli/arguments.ts';
import { describeLogDirs } from '../../src/cli/brokers/brokers.ts';
import { gather } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface Flags extends CommonFlags {
  readonly broker?: string;
  readonly topic: readonly string[];
  readonly replicas: boolean;
}

export function define(command: Command): void {
  withConnection(command)
    .option('--broker <ids>', 'of these brokers, such as 1,3')
    .option('--topic <name>', 'only replicas of this topic; may be repeated', gather, [])
    .option('--replicas', 'each replica, the largest first', false)
    .action((flags: Flags, self: Command) =>
      runCommand({ command: self, flags }, (world) => {
        const brokers = flags.broker === undefined ? {} : { brokers: parseNumbers(flags.broker) };
        return describeLogDirs({ ...brokers, topics: flags.topic, replicas: flags.replicas }, world);
      }),
    );
}
