import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linearPattern, PatternError } from './linear-pattern.ts';

test('whole texts match as with the engine of the language', () => {
  const patterns = [
    '',
    'a',
    'ab|c',
    'a*',
    '(a|b)*c',
    '(?:ab)+',
    'a{2}',
    'a{1,3}b?',
    'a{2,}',
    '.*',
    'x.y',
    '[a-c]+',
    '[^a-c]*',
    '[-a]',
    '[a\\-]',
    '\\d+\\w\\s?',
    'a\\.b',
    '^a$|b',
    '(a*)*b',
    '(|a)+',
    'a??b',
    '((a|bb)+c){1,2}',
  ];
  const alphabet = ['a', 'b', 'c', 'x', 'y', '.', '-', '1', ' ', '\n'];
  const texts = [''];
  for (let n = 0; texts.length < 1_500; n++) for (const char of alphabet) texts.push(texts[n] + char);
  texts.push('aaaab', 'abababab', 'acbbc', 'aacbbac', '12a', 'ü', '😀');
  for (const pattern of patterns) {
    const theirs = new RegExp(`^(?:${pattern})$`, 'u');
    const ours = linearPattern(pattern);
    for (const text of texts)
      assert.equal(ours(text), theirs.test(text), `${pattern} on ${JSON.stringify(text)}`);
  }
});

test('a pattern made to be slow is not', () => {
  const ours = linearPattern('(a|a|aa)*(a*)*b');
  assert.equal(ours('a'.repeat(5_000)), false);
  assert.equal(ours(`${'a'.repeat(5_000)}b`), true);
});

test('what is no pattern, or would need going back, is refused', () => {
  const bad = [
    '(',
    ')',
    '[',
    '[]',
    'a{',
    'a{2,1}',
    'a{5000}',
    '*',
    '+a',
    '\\',
    '\\1',
    '(?=a)',
    '(?<!a)',
    '(?i)a',
    'a++',
  ];
  for (const pattern of [...bad, '[z-a]', '[a&&b]', '(((a{100}){100}){100})', '('.repeat(300)]) {
    assert.throws(() => linearPattern(pattern), PatternError, pattern);
  }
});
