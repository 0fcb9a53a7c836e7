/** `headrace cluster`: its words. */
import type { Command } from 'commander';
import { connectionOf, type ConnectionFlags } from '../../src/cli/contexts/contexts.ts';
import type { ClusterFlags } from '../cluster.ts';
import type * as ClusterCommands from '../cluster.ts';
import { readContexts } from '../context-file.ts';
import { byteSize, gatherIds, positiveNumber, seconds } from '../option-values.ts';

interface StatusFlags extends ConnectionFlags {
  readonly json: boolean;
}

interface RebalanceFlags extends StatusFlags {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly removeBroker: readonly number[];
  readonly throttle?: number;
  readonly parallel: number;
  readonly sample: number;
  readonly cancel: boolean;
}

export function define(cluster: Command): void {
  withAddress(cluster.command('status').alias('describe'))
    .description('Shows the brokers with what they hold, and what is not as it should be.')
    .option('--json', 'for scripts', false)
    .action((flags: StatusFlags) =>
      run(flags, async (connection, { clusterStatus }) => clusterStatus({ ...flags, ...connection })),
    );
  withAddress(cluster.command('rebalance'))
    .description('Spreads partitions and leaders evenly; shows what it would move, and asks before it does.')
    .option('--dry-run', 'only show the plan', false)
    .option('--yes', 'apply the plan without asking', false)
    .option(
      '--remove-broker <id>',
      'empty this broker, and forget it once it has stopped; may be repeated',
      gatherIds,
      [],
    )
    .option(
      '--throttle <size>',
      'copy at most so much a second to and from each broker, such as 50MB',
      byteSize,
    )
    .option('--parallel <count>', 'move so many partitions at a time', positiveNumber, 20)
    .option(
      '--sample <seconds>',
      'watch for so long what is written, and spread that, too; 0: do not',
      seconds,
      3,
    )
    .option('--cancel', 'call back the moves that are under way', false)
    .option('--json', 'a JSON object a line, for scripts; moves nothing without --yes', false)
    .action((flags: RebalanceFlags) => {
      const { throttle, sample, ...others } = flags;
      const more = { throttleBytesPerSecond: throttle, sampleMs: sample * 1000 };
      return run(flags, async (connection, { clusterRebalance }) =>
        clusterRebalance({ ...others, ...more, ...connection }),
      );
    });
}

function withAddress(command: Command): Command {
  return command
    .option(
      '-b, --bootstrap-server <addresses>',
      "host:port of any brokers, by commas (default: the context's)",
    )
    .option('--command-config <file>', 'settings of a Kafka client: security.protocol, ssl.*, sasl.*')
    .option('--context <name>', 'a connection that headrace context set has named');
}

async function run(
  flags: ConnectionFlags,
  command: (connection: ClusterFlags, commands: typeof ClusterCommands) => Promise<number>,
): Promise<void> {
  try {
    const { bootstrapServer, commandConfig } = connectionOf(flags, {
      contexts: readContexts(),
      environment: process.env,
    });
    const connection = { bootstrapServer, ...(commandConfig === null ? {} : { commandConfig }) };
    process.exitCode = await command(connection, await import('../cluster.ts'));
  } catch (error) {
    process.stderr.write(`headrace: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
