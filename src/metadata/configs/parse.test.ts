import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atLeast, listOf } from './checks.ts';
import { define } from './definition.ts';
import { CONFIG_VALUE_LENGTH_MAX, defaultValue, doubleText, parseConfig } from './parse.ts';
import { TOPIC_CONFIGS } from './topic-configs.ts';

const retentionBytes = define('LONG', 'retention.bytes', '-1', '', { check: atLeast(-1) });

test('blanks around a value do not count', () => {
  assert.deepEqual(parseConfig(retentionBytes, ' \t 42\n'), { ok: true, value: 42, text: '42' });
});

test('a value below its range is refused in the words of Kafka', () => {
  assert.deepEqual(parseConfig(retentionBytes, '-2'), {
    ok: false,
    message: 'Invalid value -2 for configuration retention.bytes: Value must be at least -1',
  });
});

test('text that is no number is refused with its type, and the value as it was sent', () => {
  for (const text of ['', 'abc', '1.5', '1_000', '0x10', '--1', '1 2', '9223372036854775808']) {
    assert.deepEqual(parseConfig(retentionBytes, text), {
      ok: false,
      message: `Invalid value ${text} for configuration retention.bytes: Not a number of type LONG`,
    });
  }
});

test('a number with more digits than any value may have is refused without being read', () => {
  const digits = '1'.repeat(CONFIG_VALUE_LENGTH_MAX + 1);
  assert.equal(parseConfig(retentionBytes, digits).ok, false);
});

test('the largest int64 is kept as text and cut to 2^53 - 1 as a value', () => {
  const parsed = parseConfig(retentionBytes, '9223372036854775807');
  assert.deepEqual(parsed, { ok: true, value: Number.MAX_SAFE_INTEGER, text: '9223372036854775807' });
});

test('INT and SHORT end where 32 and 16 bits end', () => {
  const int = define('INT', 'i', '0', '');
  const short = define('SHORT', 's', '0', '');
  assert.deepEqual(
    ['2147483647', '2147483648', '-2147483649'].map((text) => parseConfig(int, text).ok),
    [true, false, false],
  );
  assert.deepEqual(
    ['32767', '32768', '-32768'].map((text) => parseConfig(short, text).ok),
    [true, false, true],
  );
});

test('booleans are true or false in any case and nothing else', () => {
  const flag = define('BOOLEAN', 'preallocate', 'false', '');
  assert.deepEqual(parseConfig(flag, 'TRUE'), { ok: true, value: true, text: 'true' });
  assert.deepEqual(parseConfig(flag, 'yes'), {
    ok: false,
    message: 'Invalid value yes for configuration preallocate: Expected value to be either true or false',
  });
});

test('lists are split at commas with their blanks, and repeats are dropped where a rule says so', () => {
  const plain = define('LIST', 'l', '', '');
  const distinct = define('LIST', 'l', '', '', { check: listOf() });
  assert.deepEqual(parseConfig(plain, ' a , b,a '), { ok: true, value: ['a', 'b', 'a'], text: 'a,b,a' });
  assert.deepEqual(parseConfig(distinct, ' a , b,a '), { ok: true, value: ['a', 'b'], text: 'a,b' });
  assert.deepEqual(parseConfig(plain, '  '), { ok: true, value: [], text: '' });
  assert.deepEqual(parseConfig(distinct, 'a,'), {
    ok: false,
    message: "Configuration 'l' values must not be empty.",
  });
});

test('a list with very many blanks inside is split in linear time', () => {
  const plain = define('LIST', 'l', '', '');
  const value = `a${' '.repeat(1_000_000)}b`;
  assert.deepEqual(parseConfig(plain, `${value} , c`), { ok: true, value: [value, 'c'], text: `${value},c` });
});

test('a secret is taken without the blanks around it', () => {
  const secret = define('PASSWORD', 'p', null, '');
  assert.deepEqual(parseConfig(secret, ' s3cret '), { ok: true, value: 's3cret', text: 's3cret' });
});

test('doubles are printed as Java prints them', () => {
  const texts = [1, 0.5, 0, -0, 1e-5, 1e7, 9_999_999, 1.5e300, 0.001].map(doubleText);
  assert.deepEqual(texts, ['1.0', '0.5', '0.0', '-0.0', '1.0E-5', '1.0E7', '9999999.0', '1.5E300', '0.001']);
});

test('every default of a topic configuration obeys its own rule', () => {
  for (const definition of TOPIC_CONFIGS.values()) {
    if (definition.default === null) continue;
    const parsed = parseConfig(definition, definition.default);
    assert.deepEqual([definition.name, parsed.ok], [definition.name, true]);
    assert.deepEqual(defaultValue(definition), parsed.ok ? parsed.value : undefined);
  }
});
