/** What is typed, piped or read from a file, as records. Each format is a pair of functions: a piece of text, and the end. */
import type { ProducerRecord } from '../../client/client.ts';
import { UsageError } from '../command.ts';
import { CsvReader } from './csv.ts';
import { LineCutter } from './lines.ts';

export const INPUT_FORMATS = ['lines', 'json', 'csv', 'records'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/** A record without what is the same for all. */
export type InputRecord = Omit<ProducerRecord, 'topic'>;

export interface InputOptions {
  readonly format: InputFormat;
  /** Of `lines`: what stands between key and value. */
  readonly keySeparator?: string;
  /** Of `json` and `csv`: the field that is the key. */
  readonly keyField?: string;
  /** Of `csv`. */
  readonly delimiter?: string;
  /** An empty value is null: with a key, it deletes. */
  readonly emptyIsNull: boolean;
}

export interface Input {
  push(piece: string): InputRecord[];
  end(): InputRecord[];
}

/** By what the file is called; `lines` for all others. */
export function formatOf(path: string | undefined): InputFormat {
  if (path === undefined) return 'lines';
  if (/\.csv$/i.test(path)) return 'csv';
  return /\.(json|jsonl|ndjson)$/i.test(path) ? 'json' : 'lines';
}

export function inputOf(options: InputOptions): Input {
  const { format, keySeparator, keyField, delimiter } = options;
  if (keySeparator !== undefined && format !== 'lines') {
    throw new UsageError(
      `--key-separator goes with --format lines, not ${format}; --key-field names a field`,
    );
  }
  if (keyField !== undefined && format !== 'json' && format !== 'csv') {
    throw new UsageError(`--key-field goes with --format json or csv, not ${format}`);
  }
  if (delimiter !== undefined && format !== 'csv') throw new UsageError('--delimiter goes with --format csv');
  if (format === 'csv') return csvInput(options);
  if (format === 'lines') return lineInput((line) => keyedLine(line, options));
  const ofObject =
    format === 'records' ? recordOf : (text: string, n: number) => jsonRecord(text, n, options);
  return jsonInput(ofObject);
}

function keyedLine(line: string, { keySeparator, emptyIsNull }: InputOptions): InputRecord {
  const at = keySeparator === undefined ? -1 : line.indexOf(keySeparator);
  const text = at < 0 ? line : line.slice(at + keySeparator!.length);
  const value = emptyIsNull && text === '' ? null : text;
  return at < 0 ? { value } : { key: line.slice(0, at), value };
}

function lineInput(recordOfLine: (line: string, n: number) => InputRecord | undefined): Input {
  const cutter = new LineCutter();
  let n = 0;
  const records = (lines: string[]): InputRecord[] =>
    lines.map((line) => recordOfLine(line, (n += 1))).filter((record) => record !== undefined);
  return { push: (piece) => records(cutter.push(piece)), end: () => records(cutter.end()) };
}

/** An array that is read as a whole. */
const ARRAY_CHARACTERS_MAX = 256 * 1024 * 1024;

/** A value a line, or one array of values. */
function jsonInput(recordOfText: (text: string, n: number) => InputRecord): Input {
  const lines = lineInput((line, n) => (line.trim() === '' ? undefined : recordOfText(line, n)));
  let array: string | undefined;
  let hasBegun = false;
  return {
    push(piece) {
      if (!hasBegun && piece.trim() !== '') {
        hasBegun = true;
        if (piece.trimStart().startsWith('[')) array = '';
      }
      if (array === undefined) return lines.push(piece);
      array += piece;
      if (array.length > ARRAY_CHARACTERS_MAX) {
        throw new UsageError('an array of more than 256 MiB: write one JSON value a line');
      }
      return [];
    },
    end() {
      if (array === undefined) return lines.end();
      const values = arrayOf(array);
      return values.map((value, n) => recordOfText(JSON.stringify(value), n + 1));
    },
  };
}

/** Lines that are arrays themselves are values, too. */
function arrayOf(text: string): unknown[] {
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line, n) => parseJson(line, n + 1));
  }
}

function parseJson(text: string, n: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`value ${n} is no JSON: ${why}; --format lines sends lines as they are`);
  }
}

function jsonRecord(text: string, n: number, { keyField }: InputOptions): InputRecord {
  const value = parseJson(text, n);
  const record = { value: text.trim() };
  return keyField === undefined ? record : { ...record, key: keyOf(value, { keyField, n }) };
}

function keyOf(value: unknown, { keyField, n }: { readonly keyField: string; readonly n: number }): string {
  const found = keyField
    .split('.')
    .reduce<unknown>((part, name) => (part as Record<string, unknown> | null)?.[name], value);
  if (found === undefined || found === null) throw new UsageError(`value ${n} has no field ${keyField}`);
  return typeof found === 'string' ? found : JSON.stringify(found);
}

function csvInput({ delimiter, keyField, emptyIsNull }: InputOptions): Input {
  const reader = new CsvReader(delimiter);
  let names: readonly string[] | undefined;
  let n = 1;
  const records = (rows: string[][]): InputRecord[] =>
    rows.flatMap((row) => {
      if (names === undefined) {
        names = namesOf(row, keyField);
        return [];
      }
      n += 1;
      if (row.length !== names.length) {
        throw new UsageError(`row ${n} has ${row.length} fields, the header has ${names.length}`);
      }
      const fields = Object.fromEntries(
        names.map((name, at) => [name, emptyIsNull && row[at] === '' ? null : row[at]]),
      );
      const value = JSON.stringify(fields);
      return [keyField === undefined ? { value } : { key: row[names.indexOf(keyField)]!, value }];
    });
  return { push: (piece) => records(reader.push(piece)), end: () => records(reader.end()) };
}

function namesOf(row: readonly string[], keyField: string | undefined): string[] {
  const names = row.map((name, at) => (at === 0 ? name.replace(/^\uFEFF/, '') : name).trim());
  if (new Set(names).size !== names.length) throw new UsageError('the header names a field twice');
  if (keyField !== undefined && !names.includes(keyField)) {
    throw new UsageError(`--key-field ${keyField}: the header has ${names.join(', ')}`);
  }
  return names;
}

/** What `headrace consume --format json` prints. Offset and topic are left out: they are new. */
function recordOf(text: string, n: number): InputRecord {
  const given = parseJson(text, n);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new UsageError(`value ${n} is no record: write {"key": ..., "value": ...}`);
  }
  const fields = given as Record<string, unknown>;
  const { headers, partition, timestamp } = fields;
  return {
    key: dataOf(fields, 'key'),
    value: dataOf(fields, 'value'),
    ...(Array.isArray(headers) ? { headers: headers.map((header) => headerOf(header, n)) } : {}),
    ...(typeof partition === 'number' ? { partition } : {}),
    ...(typeof timestamp === 'number' && timestamp >= 0 ? { timestamp } : {}),
  };
}

function dataOf(fields: Record<string, unknown>, name: 'key' | 'value'): string | Uint8Array | null {
  const bytes = fields[`${name}Base64`];
  if (typeof bytes === 'string') return Buffer.from(bytes, 'base64');
  const data = fields[name] ?? null;
  return data === null || typeof data === 'string' ? data : JSON.stringify(data);
}

function headerOf(header: unknown, n: number): readonly [string, string | Uint8Array | null] {
  const [name, value, encoding] = Array.isArray(header) ? (header as unknown[]) : [];
  if (typeof name !== 'string' || (typeof value !== 'string' && value !== null)) {
    throw new UsageError(`record ${n}: headers are pairs of names and values`);
  }
  return [name, encoding === 'base64' && value !== null ? Buffer.from(value, 'base64') : value];
}
