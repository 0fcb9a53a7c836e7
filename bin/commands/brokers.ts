/** `headrace brokers`: its words. */
import type { Command } from 'commander';
import { listBrokers } from '../../src/cli/brokers/brokers.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

export function define(brokers: Command): void {
  withConnection(brokers.command('list').description('Lists the brokers that are alive.')).action(
    (flags: CommonFlags, command: Command) => runCommand({ command, flags }, listBrokers),
  );
}
