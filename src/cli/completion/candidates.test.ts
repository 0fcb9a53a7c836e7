/** What is offered at which place of a command line. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complete, type CommandShape } from './candidates.ts';
import { completionScript } from './scripts.ts';

const leaf = (name: string, more: Partial<CommandShape> = {}): CommandShape => ({
  name,
  description: `does ${name}`,
  commands: [],
  options: [],
  arguments: [],
  ...more,
});
const json = { names: ['--json'], description: 'for scripts', takesValue: false };
const acks = { names: ['--acks'], description: 'all, 1 or 0', takesValue: true };
const group = { names: ['-g', '--group'], description: 'a group', takesValue: true };
const ROOT = leaf('headrace', {
  commands: [
    leaf('topics', {
      commands: [leaf('list', { options: [json] }), leaf('delete', { arguments: ['topic'] })],
    }),
    leaf('produce', { arguments: ['topic', 'file'], options: [acks, group, json] }),
    leaf('completion', { arguments: ['shell'] }),
  ],
});
const words = (...line: string[]): string[] => complete(ROOT, line).words.map(({ word }) => word);
const names = (...line: string[]): string | undefined => complete(ROOT, line).names;

test('commands, options and values are offered where they belong', () => {
  assert.deepEqual(words(''), ['topics', 'produce', 'completion']);
  assert.deepEqual(words('to'), ['topics']);
  assert.deepEqual(words('topics', ''), ['list', 'delete']);
  assert.deepEqual(words('topics', 'list', '--'), ['--json', '--help']);
  assert.deepEqual(words('produce', 't', '--a'), ['--acks']);
  assert.deepEqual(words('produce', 't', '--acks', ''), ['all', '1', '0']);
  assert.deepEqual(words('produce', 't', '--acks', 'all', '--j'), ['--json']);
  assert.deepEqual(words('completion', 'z'), ['zsh']);
  assert.deepEqual(words('nonsense', 'x', ''), []);
});

test('names are asked for where a topic, a group or a context stands', () => {
  assert.equal(names('produce', ''), 'topics');
  assert.equal(names('produce', '--json', 'or'), 'topics');
  assert.equal(names('produce', 'orders', ''), undefined);
  assert.equal(names('topics', 'delete', 'a', 'b'), 'topics');
  assert.equal(names('produce', '-g', ''), 'groups');
  assert.equal(names('topics', ''), undefined);
  assert.throws(() => completionScript('csh'), /choose from bash, zsh, fish/);
});
