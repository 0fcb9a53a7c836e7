/** Which cluster a command goes to, and what becomes of the file of contexts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, UsageError } from '../command.ts';
import {
  connectionOf,
  NO_CONTEXTS,
  parseContexts,
  printContexts,
  removeContext,
  setContext,
  useContext,
} from './contexts.ts';

const two = setContext(
  setContext(NO_CONTEXTS, { name: 'a', connection: { bootstrapServer: 'a:1', commandConfig: '/a' } }),
  { name: 'b', connection: { bootstrapServer: 'b:1' } },
);

test('flags come before the environment, and that before the context in use', () => {
  const to = (flags: object, environment: Record<string, string> = {}, contexts = two): (string | null)[] => {
    const found = connectionOf(flags, { contexts, environment });
    return [found.bootstrapServer, found.commandConfig];
  };
  assert.deepEqual(to({}, {}, NO_CONTEXTS), ['127.0.0.1:9092', null]);
  assert.deepEqual(to({}), ['a:1', '/a']);
  assert.deepEqual(to({}, { HEADRACE_CONTEXT: 'b' }), ['b:1', null]);
  assert.deepEqual(to({}, { HEADRACE_CONTEXT: '' }), ['a:1', '/a']);
  assert.deepEqual(to({ context: 'a' }, { HEADRACE_CONTEXT: 'b' }), ['a:1', '/a']);
  assert.deepEqual(to({ commandConfig: '/c' }), ['a:1', '/c']);
  // A password of a context does not go to another address.
  assert.deepEqual(to({ bootstrapServer: 'x:1' }), ['x:1', null]);
  assert.throws(() => to({ bootstrapServer: 'x:1', context: 'a' }), UsageError);
  assert.throws(() => to({ context: 'c' }), /no context c \(there are a, b\): headrace context set c/);
  assert.throws(() => to({ context: 'toString' }), CommandError);
});

test('the first context is in use, and one that is removed is not', () => {
  assert.equal(two.current, 'a');
  assert.equal(useContext(two, 'b').current, 'b');
  assert.throws(() => useContext(two, 'c'), CommandError);
  const left = removeContext(two, 'a');
  assert.deepEqual([left.current, Object.keys(left.contexts)], [null, ['b']]);
  const changed = setContext(two, { name: 'a', connection: { bootstrapServer: 'z:1' } });
  assert.deepEqual(changed.contexts['a'], { bootstrapServer: 'z:1', commandConfig: '/a' });
  assert.throws(() => setContext(two, { name: 'new', connection: {} }), UsageError);
  assert.throws(() => setContext(two, { name: 'a b', connection: { bootstrapServer: 'x' } }), UsageError);
});

test('the file says what was written, and a damaged one is named', () => {
  assert.deepEqual(parseContexts(printContexts(two), 'f'), two);
  assert.deepEqual(parseContexts('{}', 'f'), NO_CONTEXTS);
  assert.throws(() => parseContexts('{', '/x/contexts.json'), /\/x\/contexts\.json holds no contexts/);
  assert.throws(() => parseContexts('{"contexts":{"a":{}}}', 'f'), /a has no bootstrapServer/);
});
