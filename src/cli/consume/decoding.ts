/** Bytes of keys and values as what the user says they are. */
import { UsageError } from '../command.ts';

export const ENCODINGS = ['text', 'json', 'hex', 'base64', 'int32', 'int64', 'float64'] as const;
export type Encoding = (typeof ENCODINGS)[number];

export type Decoded = string | number | null | object | boolean;

/** What cannot be read so is told as what it is instead, not dropped. */
export function decode(data: Buffer | null, encoding: Encoding): Decoded {
  if (data === null) return null;
  switch (encoding) {
    case 'text':
      return data.toString();
    case 'hex':
      return data.toString('hex');
    case 'base64':
      return data.toString('base64');
    case 'json':
      try {
        return JSON.parse(data.toString()) as Decoded;
      } catch {
        return data.toString();
      }
    case 'int32':
      return data.length === 4 ? data.readInt32BE() : strange(data);
    case 'int64':
      return data.length === 8 ? int64(data) : strange(data);
    case 'float64':
      return data.length === 8 ? data.readDoubleBE() : strange(data);
  }
}

/** Beyond 2^53 a number of JSON would not be exact. */
function int64(data: Buffer): number | string {
  const value = data.readBigInt64BE();
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

function strange(data: Buffer): string {
  return `0x${data.toString('hex')}`;
}

/** For the terminal: text, whatever it is. */
export function decodeText(data: Buffer | null, encoding: Encoding): string | null {
  const decoded = decode(data, encoding);
  if (decoded === null) return data === null ? null : 'null';
  return typeof decoded === 'object' ? JSON.stringify(decoded) : String(decoded);
}

export function parseEncoding(text: string): Encoding {
  const found = ENCODINGS.find((encoding) => encoding === text);
  if (found === undefined) throw new UsageError(`${text}: choose from ${ENCODINGS.join(', ')}`);
  return found;
}

/** Whether bytes are UTF-8, and nothing is lost in text. */
export function isText(data: Buffer): boolean {
  return Buffer.from(data.toString()).equals(data);
}
