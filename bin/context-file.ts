/** Where the contexts of the command line are: `$XDG_CONFIG_HOME/headrace/contexts.json`, else in `~/.config`. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { NO_CONTEXTS, parseContexts, printContexts, type Contexts } from '../src/cli/contexts/contexts.ts';

export function contextsPath(): string {
  const given = process.env['XDG_CONFIG_HOME'];
  const base = given === undefined || given === '' ? join(homedir(), '.config') : given;
  return join(base, 'headrace', 'contexts.json');
}

export function readContexts(): Contexts {
  const path = contextsPath();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NO_CONTEXTS;
    throw error;
  }
  return parseContexts(text, path);
}

/** Whole or not at all; for the user alone. */
export function writeContexts(contexts: Contexts): void {
  const path = contextsPath();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, printContexts(contexts), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
