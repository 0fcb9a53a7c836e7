/** `headrace produce`: its words, and the file or terminal that it reads. */
import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import { parsePairs, unescape } from '../../src/cli/arguments.ts';
import { UsageError } from '../../src/cli/command.ts';
import { formatOf, INPUT_FORMATS } from '../../src/cli/produce/input.ts';
import { parseAcks, parseCompression, produce } from '../../src/cli/produce/produce.ts';
import { gather, nodeNumber } from '../option-values.ts';
import { runCommand, withConnection, type CommonFlags } from '../run-command.ts';

interface Flags extends CommonFlags {
  readonly format?: string;
  readonly keySeparator?: string;
  readonly keyField?: string;
  readonly delimiter?: string;
  readonly emptyIsNull: boolean;
  readonly key?: string;
  readonly header: readonly string[];
  readonly partition?: number;
  readonly acks: string;
  readonly compression: string;
  readonly createTopic: boolean;
}

export function define(command: Command): void {
  withConnection(command)
    .argument('<topic>')
    .argument('[file]', 'left out, or -: what is typed or piped')
    .option(
      '-f, --format <format>',
      `${INPUT_FORMATS.join(', ')} (default: by the name of the file, else lines); records is what consume --format json prints`,
    )
    .option('-K, --key-separator <text>', 'lines: what stands between key and value, such as : or \\t')
    .option('--key-field <name>', 'json, csv: the field that is the key')
    .option('--delimiter <character>', 'csv: in place of the comma')
    .option('--empty-is-null', 'an empty value is null', false)
    .option('-k, --key <text>', 'the key of all records')
    .option('-H, --header <name=value>', 'a header of all records; may be repeated', gather, [])
    .option('-p, --partition <number>', 'in place of what the key says', nodeNumber)
    .option('--acks <acks>', 'all, 1 or 0', 'all')
    .option('-z, --compression <codec>', 'none, gzip, snappy, lz4 or zstd', 'none')
    .option('--create-topic', 'a topic that is not there is made, if the broker lets it', false)
    .action((topic: string, file: string | undefined, flags: Flags, self: Command) =>
      runCommand({ command: self, flags }, (world) => {
        const path = file === '-' ? undefined : file;
        const { header, keySeparator, delimiter, acks, compression, ...others } = flags;
        const wanted = {
          ...others,
          format: flags.format === undefined ? formatOf(path) : parseFormat(flags.format),
          headers: parsePairs(header),
          acks: parseAcks(acks),
          compression: parseCompression(compression),
          ...(keySeparator === undefined ? {} : { keySeparator: unescape(keySeparator) }),
          ...(delimiter === undefined ? {} : { delimiter: unescape(delimiter) }),
        };
        if (path === undefined && process.stdin.isTTY) {
          world.terminal.note('one record a line; Ctrl-D ends\n');
        }
        return produce({ topic, pieces: piecesOf(path, world.signal) }, wanted, world);
      }),
    );
}

function parseFormat(text: string): (typeof INPUT_FORMATS)[number] {
  const found = INPUT_FORMATS.find((format) => format === text);
  if (found === undefined) throw new UsageError(`--format ${text}: choose from ${INPUT_FORMATS.join(', ')}`);
  return found;
}

/** Ends, as a file does, when it is interrupted. */
async function* piecesOf(path: string | undefined, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stream = path === undefined ? process.stdin : createReadStream(path);
  const stop = (): void => void stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
