/** `headrace complete-words`: what the shells ask at each press of the key. Whatever goes wrong, it says nothing. */
import type { Command } from 'commander';
import {
  complete,
  startingWith,
  type CommandShape,
  type Names,
} from '../../src/cli/completion/candidates.ts';
import type { CommandWorld } from '../../src/cli/command.ts';
import { COMMANDS } from '../commands.ts';
import { readContexts } from '../context-file.ts';
import { runCommand } from '../run-command.ts';

/** Longer nobody waits for a key. */
const TIMEOUT_SECONDS = 2;

export function define(command: Command): void {
  command.argument('[words...]').action(async (words: string[]) => {
    const root = command.parent!;
    const wanted = COMMANDS.find(({ name }) => name === words[0]);
    const found = root.commands.find((one) => one.name() === wanted?.name);
    if (wanted !== undefined && found !== undefined) (await wanted.load()).define(found);
    const { words: candidates, names } = complete(shapeOf(root), words);
    const named = names === undefined ? [] : await namesOf(names, command);
    const all = [
      ...candidates,
      ...startingWith(
        named.map((word) => ({ word, description: '' })),
        words.at(-1) ?? '',
      ),
    ];
    process.stdout.write(all.map(({ word, description }) => `${word}\t${description}\n`).join(''));
    process.exitCode = 0;
  });
}

function shapeOf(command: Command): CommandShape {
  const isHidden = ({ name }: { name: string }): boolean =>
    COMMANDS.some((one) => one.name === name && one.isHidden);
  return {
    name: command.name(),
    description: command.description(),
    commands: command.commands.map(shapeOf).filter((one) => !isHidden(one)),
    options: command.options.map(({ short, long, description, required, optional }) => ({
      names: [short, long].filter((name) => name !== undefined),
      description,
      takesValue: required || optional,
    })),
    arguments: command.registeredArguments.map((argument) => argument.name()),
  };
}

async function namesOf(names: Names, command: Command): Promise<string[]> {
  if (names === 'contexts') return Object.keys(readContexts().contexts);
  let found: string[] = [];
  const ask = async (world: CommandWorld): Promise<void> => {
    const admin = await world.admin();
    found =
      names === 'topics'
        ? await admin.listTopics(world)
        : (await admin.listGroups({ signal: world.signal })).map(({ group }) => group);
  };
  await runCommand({ command, flags: { json: false, timeout: TIMEOUT_SECONDS } }, ask);
  return found;
}
