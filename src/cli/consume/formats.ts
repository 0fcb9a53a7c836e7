/** A record as it is printed: text, JSON, hexadecimal, or after a pattern such as kcat's -f takes it. */
import type { ConsumerRecord } from '../../client/client.ts';
import { printTime, unescape } from '../arguments.ts';
import { UsageError } from '../command.ts';
import { decode, decodeText, isText, type Encoding } from './decoding.ts';

export const SHOWN = ['topic', 'partition', 'offset', 'time', 'key', 'headers'] as const;
export type Shown = (typeof SHOWN)[number];

export interface FormatOptions {
  /** `text`, `json`, `hex`; anything with a % is a pattern. */
  readonly format: string;
  /** Of `text`: what stands before the value, in this order. */
  readonly show: readonly Shown[];
  readonly keyAs: Encoding;
  readonly valueAs: Encoding;
}

export type Formatter = (record: ConsumerRecord) => string | Buffer;

export function formatter(options: FormatOptions): Formatter {
  const { format } = options;
  if (format === 'text') return textOf(options);
  if (format === 'json') return (record) => `${JSON.stringify(jsonOf(record, options))}\n`;
  if (format === 'hex') return hexOf;
  if (format.includes('%')) return patternOf(format, options);
  throw new UsageError(
    `--format ${format}: choose from text, json, hex, or write a pattern such as '%k %s\\n'`,
  );
}

export function parseShown(text: string): Shown[] {
  return text.split(',').map((name) => {
    const found = SHOWN.find((one) => one === name.trim());
    if (found === undefined) throw new UsageError(`--show ${name}: choose from ${SHOWN.join(', ')}`);
    return found;
  });
}

function textOf(options: FormatOptions): Formatter {
  const { show, keyAs, valueAs } = options;
  if (show.length === 0 && valueAs === 'text') {
    const end = Buffer.from('\n');
    // As it is: what is no UTF-8 stays what it was.
    return ({ value }) => (value === null ? 'null\n' : Buffer.concat([value, end]));
  }
  return (record) => {
    const before = show.map((part) => `${partOf(record, part, keyAs)}\t`).join('');
    return `${before}${decodeText(record.value, valueAs) ?? 'null'}\n`;
  };
}

function partOf(record: ConsumerRecord, part: Shown, keyAs: Encoding): string {
  if (part === 'time') return printTime(record.timestamp);
  if (part === 'key') return decodeText(record.key, keyAs) ?? 'null';
  if (part === 'headers') return headersText(record);
  return String(record[part]);
}

function headersText({ headers }: ConsumerRecord): string {
  return headers.map(({ key, value }) => `${key}=${value?.toString() ?? 'null'}`).join(',');
}

/** What `headrace produce --format records` takes. */
function jsonOf(record: ConsumerRecord, { keyAs, valueAs }: FormatOptions): object {
  const { topic, partition, offset, timestamp, headers } = record;
  return {
    topic,
    partition,
    offset,
    timestamp,
    ...dataOf('key', record.key, keyAs),
    ...dataOf('value', record.value, valueAs),
    headers: headers.map(({ key, value }) =>
      value === null || isText(value)
        ? [key, value?.toString() ?? null]
        : [key, value.toString('base64'), 'base64'],
    ),
  };
}

function dataOf(name: 'key' | 'value', data: Buffer | null, encoding: Encoding): object {
  if (data !== null && encoding === 'text' && !isText(data))
    return { [`${name}Base64`]: data.toString('base64') };
  return { [name]: decode(data, encoding) };
}

const HEX_COLUMNS = 16;

function hexOf(record: ConsumerRecord): string {
  const { topic, partition, offset, timestamp, key, value } = record;
  const head = `${topic}-${partition} offset ${offset}, ${printTime(timestamp)}\n`;
  const parts = [
    ...(key === null ? [] : [dumpOf('key', key)]),
    ...record.headers.map((header) => dumpOf(`header ${header.key}`, header.value)),
    dumpOf('value', value),
  ];
  return `${head}${parts.join('')}`;
}

function dumpOf(name: string, data: Buffer | null): string {
  if (data === null) return `  ${name}: null\n`;
  const lines = [`  ${name}: ${data.length} bytes\n`];
  for (let at = 0; at < data.length; at += HEX_COLUMNS) {
    const row = data.subarray(at, at + HEX_COLUMNS);
    const pairs = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const printed = [...row]
      .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'))
      .join('');
    lines.push(`    ${at.toString(16).padStart(6, '0')}  ${pairs.padEnd(HEX_COLUMNS * 3)} ${printed}\n`);
  }
  return lines.join('');
}

/** %s value, %S its size (-1 for null), %k key, %K its size, %t topic, %p partition, %o offset, %T time in ms, %h headers. */
function patternOf(format: string, { keyAs, valueAs }: FormatOptions): Formatter {
  const parts = format.split(/(%.)/s).map((text): string | ((record: ConsumerRecord) => string) => {
    if (!text.startsWith('%') || text.length < 2) return unescape(text);
    const part = PATTERN_PARTS[text[1]!];
    if (part === undefined) {
      throw new UsageError(
        `--format: ${text} means nothing; %% is a percent sign, and these are parts: %s %k %p ...`,
      );
    }
    return (record) => part(record, { keyAs, valueAs });
  });
  return (record) => parts.map((part) => (typeof part === 'string' ? part : part(record))).join('');
}

type Part = (record: ConsumerRecord, as: { readonly keyAs: Encoding; readonly valueAs: Encoding }) => string;

const PATTERN_PARTS: Readonly<Record<string, Part>> = {
  s: ({ value }, { valueAs }) => decodeText(value, valueAs) ?? '',
  S: ({ value }) => String(value?.length ?? -1),
  k: ({ key }, { keyAs }) => decodeText(key, keyAs) ?? '',
  K: ({ key }) => String(key?.length ?? -1),
  t: ({ topic }) => topic,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  T: ({ timestamp }) => String(timestamp),
  h: headersText,
  '%': () => '%',
};
