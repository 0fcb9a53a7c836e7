/** `headrace perf`: its words. */
import type { Command } from 'commander';
import { perfConsume, type PerfConsumeFlags } from '../../src/cli/perf/perf-consume.ts';
import { perfProduce } from '../../src/cli/perf/perf-produce.ts';
import { parseAcks, parseCompression } from '../../src/cli/produce/produce.ts';
import { byteSize, positiveNumber } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface ProduceFlags extends CommonFlags {
  readonly records: number;
  readonly size: number;
  readonly rate?: number;
  readonly acks: string;
  readonly compression: string;
  readonly batch?: number;
  readonly linger?: number;
}

export function define(perf: Command): void {
  withConnection(perf.command('produce <topic>').description('Sends records and tells how fast that went.'))
    .option('-c, --records <count>', 'how many', positiveNumber, 100_000)
    .option('--size <bytes>', 'of each value, such as 100 or 1KB', byteSize, 100)
    .option('--rate <count>', 'so many a second (default: as fast as it goes)', positiveNumber)
    .option('--acks <acks>', 'all, 1 or 0', 'all')
    .option('-z, --compression <codec>', 'none, gzip, snappy, lz4 or zstd', 'none')
    .option('--batch <bytes>', 'the size of batches', byteSize)
    .option('--linger <ms>', 'how long records wait for company', positiveNumber)
    .action((topic: string, flags: ProduceFlags, command: Command) =>
      runCommand({ command, flags }, (world) => {
        const { batch, linger, rate } = flags;
        const wanted = {
          records: flags.records,
          sizeBytes: flags.size,
          acks: parseAcks(flags.acks),
          compression: parseCompression(flags.compression),
          ...(rate === undefined ? {} : { rate }),
          ...(batch === undefined ? {} : { batchBytes: batch }),
          ...(linger === undefined ? {} : { lingerMs: linger }),
        };
        return perfProduce(topic, wanted, world);
      }),
    );
  withConnection(perf.command('consume <topic>').description('Reads records and tells how fast that went.'))
    .option('-c, --records <count>', 'end after so many', positiveNumber)
    .option('-F, --follow', 'wait for records that come, and tell how old they are', false)
    .action((topic: string, flags: CommonFlags & PerfConsumeFlags, command: Command) =>
      runCommand({ command, flags }, (world) => perfConsume(topic, flags, world)),
    );
}
