/** What may stand where the cursor is: commands, options and their values; names are asked of the cluster by whoever calls. */

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  readonly commands: readonly CommandShape[];
  readonly options: readonly OptionShape[];
  /** Their names, in order; the last one may go on for several words. */
  readonly arguments: readonly string[];
}

export interface OptionShape {
  /** `-f` and `--format`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
}

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

export type Names = 'topics' | 'groups' | 'contexts';

export interface Completion {
  readonly words: readonly Candidate[];
  /** Besides, names of what there is. */
  readonly names?: Names;
}

const NAMES: Readonly<Record<string, Names>> = {
  topic: 'topics',
  '--topic': 'topics',
  group: 'groups',
  '--group': 'groups',
  name: 'contexts',
  '--context': 'contexts',
};
/** Values that an option can have, where these are few. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--acks': ['all', '1', '0'],
  '--compression': ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  shell: ['bash', 'zsh', 'fish'],
};

/** `words` are those behind `headrace`, the last one as far as it is written. */
export function complete(root: CommandShape, words: readonly string[]): Completion {
  const begun = words.at(-1) ?? '';
  let command = root;
  let isPlain = false;
  let given = 0;
  let pending: OptionShape | undefined;
  for (const word of words.slice(0, -1)) {
    const option = isPlain ? undefined : command.options.find(({ names }) => names.includes(word));
    const sub = given === 0 ? command.commands.find(({ name }) => name === word) : undefined;
    if (pending !== undefined) pending = undefined;
    else if (word === '--') isPlain = true;
    else if (option !== undefined) pending = option.takesValue ? option : undefined;
    else if (!isPlain && word.startsWith('-')) continue;
    else if (sub !== undefined) command = sub;
    else given += 1;
  }
  if (pending !== undefined) return valuesOf(pending.names.at(-1)!, begun);
  if (begun.startsWith('-') && !isPlain) return { words: optionsOf(command, begun) };
  const commands = command.commands.map(({ name: word, description }) => ({ word, description }));
  const argument = command.arguments[Math.min(given, command.arguments.length - 1)];
  const { words: values, names }: Completion =
    argument === undefined ? { words: [] } : valuesOf(argument, begun);
  const found = [...(given === 0 ? startingWith(commands, begun) : []), ...values];
  return names === undefined ? { words: found } : { words: found, names };
}

export function startingWith(candidates: readonly Candidate[], begun: string): Candidate[] {
  return candidates.filter(({ word }) => word.startsWith(begun));
}

function valuesOf(name: string, begun: string): Completion {
  const words = (VALUES[name] ?? []).map((word) => ({ word, description: '' }));
  const names = NAMES[name];
  return { words: startingWith(words, begun), ...(names === undefined ? {} : { names }) };
}

function optionsOf({ options }: CommandShape, begun: string): Candidate[] {
  const long = options.map(({ names, description }) => ({ word: names.at(-1)!, description }));
  return startingWith([...long, { word: '--help', description: 'shows how it is used' }], begun);
}
