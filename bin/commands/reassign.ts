/** `headrace reassign`: its words. */
import type { Command } from 'commander';
import { cancelMoves, listMoves, parseMove, startMoves } from '../../src/cli/reassign/reassign.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

export function define(reassign: Command): void {
  withConnection(reassign.command('list').description('Shows which partitions are on their way.')).action(
    (flags: CommonFlags, command: Command) => runCommand({ command, flags }, listMoves),
  );
  withConnection(
    reassign.command('start').description('Moves partitions; the first broker is the preferred leader.'),
  )
    .argument('<topic:number=brokers...>', 'such as orders:0=1,2,3')
    .action((moves: string[], flags: CommonFlags, command: Command) =>
      runCommand({ command, flags }, (world) => startMoves(moves.map(parseMove), world)),
    );
  withConnection(reassign.command('cancel').description('Calls moves back.'))
    .argument('<topic:number...>', 'such as orders:0')
    .action((names: string[], flags: CommonFlags, command: Command) =>
      runCommand({ command, flags }, (world) => cancelMoves(names, world)),
    );
}
