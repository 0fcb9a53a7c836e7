/** Text into records: whole and in pieces, and what is said of text that makes no sense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../command.ts';
import { CsvReader } from './csv.ts';
import { formatOf, inputOf, type InputOptions, type InputRecord } from './input.ts';

const OPTIONS: InputOptions = { format: 'lines', emptyIsNull: false };

function read(text: string, options: Partial<InputOptions> = {}, size = text.length + 1): InputRecord[] {
  const input = inputOf({ ...OPTIONS, ...options });
  const records: InputRecord[] = [];
  for (let at = 0; at < text.length; at += size) records.push(...input.push(text.slice(at, at + size)));
  return [...records, ...input.end()];
}

test('lines are values, with a separator keys and values', () => {
  assert.deepEqual(read('a\nb\r\n\nlast'), [
    { value: 'a' },
    { value: 'b' },
    { value: '' },
    { value: 'last' },
  ]);
  assert.deepEqual(read('k:v:w\nnone\n', { keySeparator: ':' }), [
    { key: 'k', value: 'v:w' },
    { value: 'none' },
  ]);
  assert.deepEqual(read('k:\n', { keySeparator: ':', emptyIsNull: true }), [{ key: 'k', value: null }]);
});

test('JSON comes a value a line or as one array, with a field as key', () => {
  const records = [
    { key: '7', value: '{"id":7,"a":{"b":"x"}}' },
    { key: '8', value: '{"id":8}' },
  ];
  const lines = '{"id":7,"a":{"b":"x"}}\n\n{"id":8}\n';
  assert.deepEqual(read(lines, { format: 'json', keyField: 'id' }), records);
  const array = `[ {"id":7, "a":{"b":"x"}},\n {"id": 8} ]`;
  for (const size of [1, 5, 100])
    assert.deepEqual(read(array, { format: 'json', keyField: 'id' }, size), records);
  assert.deepEqual(read('{"a":{"b":"x"}}', { format: 'json', keyField: 'a.b' })[0]!.key, 'x');
  assert.deepEqual(read('[1,2]\n[3]\n', { format: 'json' }), [{ value: '[1,2]' }, { value: '[3]' }]);
  assert.throws(() => read('{"id":7}\nnot', { format: 'json' }), /value 2 is no JSON.*--format lines/);
  assert.throws(() => read('{"id":7}\n', { format: 'json', keyField: 'x' }), /value 1 has no field x/);
});

test('CSV with a header becomes objects', () => {
  const text = '\uFEFFid,name\r\n1,"a, ""b""\nc"\r\n2,\r\n';
  const records = [
    { key: '1', value: '{"id":"1","name":"a, \\"b\\"\\nc"}' },
    { key: '2', value: '{"id":"2","name":""}' },
  ];
  for (const size of [1, 3, 100])
    assert.deepEqual(read(text, { format: 'csv', keyField: 'id' }, size), records);
  assert.deepEqual(read('a;b\n1;2', { format: 'csv', delimiter: ';' }), [{ value: '{"a":"1","b":"2"}' }]);
  const faults = {
    'a,b\n1\n': /row 2 has 1 fields, the header has 2/,
    'a\n"x': /does not end/,
    'a,a\n': /twice/,
  };
  for (const [faulty, said] of Object.entries(faults))
    assert.throws(() => read(faulty, { format: 'csv' }), said);
  assert.throws(() => read('a\n"x"y\n', { format: 'csv' }), /follows the end of a quote/);
  assert.throws(() => read('a\n', { format: 'csv', keyField: 'z' }), /the header has a/);
});

test('any table survives being written as CSV and read in pieces of any size', () => {
  const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', ' ', 'é'), maxLength: 5 });
  const property = fc.property(
    fc.array(fc.array(field, { minLength: 2, maxLength: 2 }), { maxLength: 5 }),
    fc.integer({ min: 1, max: 7 }),
    (rows, size) => {
      const text = rows
        .map((row) => `${row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')}\n`)
        .join('');
      const reader = new CsvReader();
      const found: string[][] = [];
      for (let at = 0; at < text.length; at += size) found.push(...reader.push(text.slice(at, at + size)));
      assert.deepEqual([...found, ...reader.end()], rows);
    },
  );
  fc.assert(property, { numRuns: 200 });
});

test('records are what consume prints, bytes included', () => {
  const text =
    '{"topic":"t","offset":3,"partition":1,"timestamp":9,"key":"k","valueBase64":"/w==","headers":[["a","b"]]}';
  assert.deepEqual(read(text, { format: 'records' }), [
    { key: 'k', value: Buffer.from([255]), headers: [['a', 'b']], partition: 1, timestamp: 9 },
  ]);
  assert.throws(() => read('3', { format: 'records' }), /is no record/);
});

test('options that do not go together are refused, and files are known by their names', () => {
  assert.throws(() => inputOf({ ...OPTIONS, format: 'csv', keySeparator: ':' }), UsageError);
  assert.throws(() => inputOf({ ...OPTIONS, keyField: 'id' }), UsageError);
  assert.throws(() => inputOf({ ...OPTIONS, format: 'json', delimiter: ';' }), UsageError);
  assert.throws(() => inputOf({ ...OPTIONS, format: 'csv', delimiter: ';;' }), UsageError);
  assert.deepEqual(['a.csv', 'b.JSON', 'c.ndjson', 'd.log', undefined].map(formatOf), [
    'csv',
    'json',
    'json',
    'lines',
    'lines',
  ]);
});
