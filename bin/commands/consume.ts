/** `headrace consume`: its words. */
import type { Command } from 'commander';
import { parseNumbers, parseTime } from '../../src/cli/arguments.ts';
import { consume } from '../../src/cli/consume/consume.ts';
import { ENCODINGS, parseEncoding } from '../../src/cli/consume/decoding.ts';
import { parseShown, SHOWN } from '../../src/cli/consume/formats.ts';
import { anyNumber, gather, positiveNumber } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface Flags extends CommonFlags {
  readonly format?: string;
  readonly show?: string;
  readonly keyAs: string;
  readonly valueAs: string;
  readonly fromBeginning: boolean;
  readonly tail?: number;
  readonly offset?: number;
  readonly fromTime?: string;
  readonly untilTime?: string;
  readonly partition?: string;
  readonly follow: boolean;
  readonly group?: string;
  readonly max?: number;
  readonly key?: string;
  readonly grep?: string;
  readonly header: readonly string[];
  readonly where: readonly string[];
  readonly uncommitted: boolean;
}

const PATTERN_HELP = `
A pattern is text with %k key, %s value, %t topic, %p partition, %o offset, %T time in ms, %h headers, %K and %S sizes,
%% a percent sign; \\n and \\t are what they are elsewhere: --format '%p:%o %k=%s\\n'
`;

export function define(command: Command): void {
  withConnection(command)
    .argument('<topic>')
    .addHelpText('after', PATTERN_HELP)
    .option('-F, --follow', 'go on with what comes; alone it begins with what comes', false)
    .option('--from-beginning', 'begin at the oldest record (the default without --follow)', false)
    .option('-n, --tail <count>', 'begin with the last so many records of the topic', positiveNumber)
    .option('-o, --offset <number>', 'begin at an offset; -5 is five before the end', anyNumber)
    .option('--from-time <time>', '2026-01-31T12:00:00Z, ms since the epoch, or how long ago: 2h')
    .option('--until-time <time>', 'only records before it')
    .option('-p, --partition <numbers>', 'such as 0,2-4')
    .option('-g, --group <name>', 'go on where this group is, and move it')
    .option('-c, --max <count>', 'end after so many records', positiveNumber)
    .option('-k, --key <text>', 'only records with this key')
    .option('--grep <pattern>', 'only values that match a regular expression')
    .option('-H, --header <name[=value]>', 'only records with this header; may be repeated', gather, [])
    .option(
      '--where <field=value>',
      'only JSON values with this field; a.b looks inside; may be repeated',
      gather,
      [],
    )
    .option('-f, --format <format>', 'text, json, hex, or a pattern (default: text)')
    .option('-s, --show <parts>', `text: what stands before the value: ${SHOWN.join(',')}`)
    .option('--key-as <type>', `what keys are: ${ENCODINGS.join(', ')}`, 'text')
    .option('--value-as <type>', 'what values are, likewise', 'text')
    .option('--uncommitted', 'records of open and aborted transactions, too', false)
    .action((topic: string, flags: Flags, self: Command) =>
      runCommand({ command: self, flags }, (world) => {
        const { partition, fromTime, untilTime, show, ...others } = flags;
        const nowMs = world.clock.nowMs();
        const wanted = {
          ...others,
          headers: flags.header,
          format: flags.format ?? (flags.json ? 'json' : 'text'),
          show: show === undefined ? [] : parseShown(show),
          keyAs: parseEncoding(flags.keyAs),
          valueAs: parseEncoding(flags.valueAs),
          isolation: flags.uncommitted ? ('uncommitted' as const) : ('committed' as const),
          ...(partition === undefined ? {} : { partitions: parseNumbers(partition) }),
          ...(fromTime === undefined ? {} : { fromTimeMs: parseTime(fromTime, nowMs) }),
          ...(untilTime === undefined ? {} : { untilTimeMs: parseTime(untilTime, nowMs) }),
        };
        return consume(topic, wanted, world);
      }),
    );
}
