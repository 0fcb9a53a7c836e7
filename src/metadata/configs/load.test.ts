import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  loadSettingsEnvironment,
  loadSettingsFlags,
  loadSettingsText,
  mergeSettings,
  SETTINGS_TEXT_LENGTH_MAX,
} from './load.ts';

function read(text: string): Record<string, string> {
  const loaded = loadSettingsText(text);
  assert.deepEqual([loaded.errors, loaded.warnings], [[], []]);
  return Object.fromEntries(loaded.settings);
}

test('names end at an equals sign, a colon or a blank; comments and empty lines do not count', () => {
  const text =
    '# a=b\n! c=d\n\n  num.partitions = 3\nbroker.rack:a b \nlog.dir\t/data\r\nnode.id=4\rsuper.users';
  assert.deepEqual(read(text), {
    'num.partitions': '3',
    'broker.rack': 'a b ',
    'log.dir': '/data',
    'node.id': '4',
    'super.users': '',
  });
});

test('a backslash at the end continues the line, two of them do not', () => {
  assert.deepEqual(read('log.dirs=/a,\\\n   /b,\\\n\t/c\nbroker.rack=x\\\\\nnode.id=5'), {
    'log.dirs': '/a,/b,/c',
    'broker.rack': 'x\\',
    'node.id': '5',
  });
  assert.deepEqual(read('broker.rack=a\\'), { 'broker.rack': 'a' });
  assert.deepEqual(read('\\\nbroker.rack=b'), { 'broker.rack': 'b' });
});

test('escapes stand for characters, and unneeded ones for what follows them', () => {
  assert.deepEqual(read('broker.rack=\\u00e9\\t\\=\\:\\\\u0041\\q'), { 'broker.rack': 'é\t=:\\u0041q' });
  assert.deepEqual(read('broker\\.rack=x'), { 'broker.rack': 'x' });
});

test('a value may hold equals signs, and the last of two values counts', () => {
  assert.deepEqual(read('super.users=User:CN=a\nsuper.users=User:CN=b,O=c'), {
    'super.users': 'User:CN=b,O=c',
  });
});

test('malformed lines are errors with their number', () => {
  assert.deepEqual(loadSettingsText('node.id=1\nbroker.rack=\\u12\n=5').errors, [
    'line 2: \\u must be followed by four hexadecimal digits; write \\\\ for a backslash',
    'line 3: a name is missing before the equals sign',
  ]);
});

test('a wrong value is an error, an unknown name a warning with a guess', () => {
  const loaded = loadSettingsText('num.partitions=many\nnum.partitons=3');
  assert.deepEqual(loaded.errors, [
    'num.partitions: Invalid value many for configuration num.partitions: Not a number of type INT; ' +
      'set it to a INT value (legal: [1,...]), or leave it out for 1',
  ]);
  assert.deepEqual(loaded.warnings, [
    'num.partitons: no such setting, it is ignored; did you mean num.partitions?',
  ]);
});

test('what cannot be a settings file is not read', () => {
  assert.equal(loadSettingsText('#'.repeat(SETTINGS_TEXT_LENGTH_MAX + 1)).errors.length, 1);
});

test('environment variables with our prefix are settings, except those of the program', () => {
  const loaded = loadSettingsEnvironment({
    HEADRACE_LOG_RETENTION_MS: '1000',
    HEADRACE_CACHE: '/c',
    HEADRACE_NODE_ID: undefined,
    HEADRACE_NUM_PARTITONS: '3',
    PATH: '/bin',
  });
  assert.deepEqual([...loaded.settings].slice(0, 1), [['log.retention.ms', '1000']]);
  assert.deepEqual(loaded.warnings, [
    'num.partitons: no such setting, it is ignored; did you mean num.partitions?',
  ]);
});

test('flags are name=value', () => {
  const loaded = loadSettingsFlags(['num.partitions = 4', 'oops', '=x', 'super.users=User:CN=a']);
  assert.deepEqual(Object.fromEntries(loaded.settings), {
    'num.partitions': '4',
    'super.users': 'User:CN=a',
  });
  assert.deepEqual(loaded.errors, [
    '--set oops: write it as --set name=value',
    '--set =x: write it as --set name=value',
  ]);
});

test('flags count before the environment, and that before the file', () => {
  const merged = mergeSettings(
    loadSettingsText('num.partitions=1\nnode.id=1\nbroker.rack=file'),
    loadSettingsEnvironment({ HEADRACE_NUM_PARTITIONS: '2', HEADRACE_NODE_ID: '2' }),
    loadSettingsFlags(['num.partitions=3']),
  );
  assert.deepEqual(Object.fromEntries(merged.settings), {
    'num.partitions': '3',
    'node.id': '2',
    'broker.rack': 'file',
  });
});
