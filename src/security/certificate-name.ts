/**
 * The name in a certificate as Kafka's rules and super.users know it: the subject in the text form of RFC 2253, last part first,
 * as Java prints it (`CN=alice,OU=Payments,C=DE`). It is read from the certificate's bytes: of the texts that libraries make of
 * a subject, some can be forged by what stands in one of its values.
 */

/** Bytes that are not laid out as a certificate is. */
export class CertificateError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CertificateError';
  }
}

const TAG = {
  INTEGER: 0x02,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  T61_STRING: 0x14,
  IA5_STRING: 0x16,
  UNIVERSAL_STRING: 0x1c,
  BMP_STRING: 0x1e,
  SEQUENCE: 0x30,
  SET: 0x31,
  VERSION: 0xa0,
} as const;

/** Those for which RFC 2253 has words; others are shown by their numbers, with the value's bytes. */
const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
]);

/** The subject of a certificate in DER. Throws CertificateError. */
export function subjectOf(certificate: Buffer): string {
  const outer = new Der(certificate).take(TAG.SEQUENCE);
  const inner = new Der(outer).take(TAG.SEQUENCE);
  const fields = new Der(inner);
  if (fields.peek() === TAG.VERSION) fields.take(TAG.VERSION);
  fields.take(TAG.INTEGER);
  // The signature's algorithm, the issuer, the time for which it is valid.
  for (let count = 0; count < 3; count++) fields.take(TAG.SEQUENCE);
  const names = new Der(fields.take(TAG.SEQUENCE));
  const parts: string[] = [];
  while (!names.isEmpty()) parts.push(relativeName(new Der(names.take(TAG.SET))));
  return parts.reverse().join(',');
}

function relativeName(values: Der): string {
  const parts: string[] = [];
  while (!values.isEmpty()) {
    const pair = new Der(values.take(TAG.SEQUENCE));
    const type = objectIdentifier(pair.take(TAG.OBJECT_IDENTIFIER));
    const value = pair.takeAny();
    const keyword = KEYWORDS.get(type);
    const text = keyword === undefined ? undefined : textOf(value);
    if (text === undefined) parts.push(`${keyword ?? type}=#${value.whole.toString('hex')}`);
    else parts.push(`${keyword}=${escaped(text)}`);
  }
  return parts.join('+');
}

interface Value {
  readonly tag: number;
  readonly content: Buffer;
  /** With its tag and length. */
  readonly whole: Buffer;
}

function textOf({ tag, content }: Value): string | undefined {
  switch (tag) {
    case TAG.UTF8_STRING:
      return content.toString('utf8');
    case TAG.PRINTABLE_STRING:
    case TAG.IA5_STRING:
    case TAG.T61_STRING:
      return content.toString('latin1');
    case TAG.BMP_STRING:
      if (content.length % 2 !== 0) throw new CertificateError('half a character in a name');
      return Buffer.from(content).swap16().toString('utf16le');
    default:
      return undefined;
  }
}

/** Java escapes more than it must; rules that people have written expect it. */
function escaped(text: string): string {
  const inside = text.replace(/[,=+<>#;"\\]/g, '\\$&');
  // Blanks at either end, each of them.
  return inside.replace(/^ +| +$/g, (blanks) => blanks.replaceAll(' ', '\\ '));
}

function objectIdentifier(content: Buffer): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) throw new CertificateError('an object identifier is too large');
    if ((byte & 0x80) !== 0) continue;
    numbers.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = numbers;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - 40 * top, ...rest].join('.');
}

/** What DER holds, one value after the other. Lengths are checked against the bytes that are there. */
class Der {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  isEmpty(): boolean {
    return this.#position === this.#bytes.length;
  }

  peek(): number | undefined {
    return this.#bytes[this.#position];
  }

  /** The content of the next value, which must have this tag. */
  take(tag: number): Buffer {
    const value = this.takeAny();
    if (value.tag !== tag) throw new CertificateError(`tag ${value.tag} where ${tag} should be`);
    return value.content;
  }

  takeAny(): Value {
    const bytes = this.#bytes;
    const begin = this.#position;
    const tag = bytes[begin];
    const first = bytes[begin + 1];
    if (tag === undefined || first === undefined) throw new CertificateError('a value is cut off');
    let contentBegin = begin + 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count < 1 || count > 4 || bytes.length - contentBegin < count) {
        throw new CertificateError('a length that is none');
      }
      length = bytes.readUIntBE(contentBegin, count);
      contentBegin += count;
    }
    if (length > bytes.length - contentBegin) throw new CertificateError('a value is longer than its bytes');
    this.#position = contentBegin + length;
    return {
      tag,
      content: bytes.subarray(contentBegin, this.#position),
      whole: bytes.subarray(begin, this.#position),
    };
  }
}
