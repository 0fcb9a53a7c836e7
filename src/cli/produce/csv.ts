/** CSV as RFC 4180 has it, in pieces as they come: quoted fields may hold the delimiter, quotes (twice) and line ends. */
import { UsageError } from '../command.ts';

/** A row that is longer is a file that is no CSV, or one with a quote that does not end. */
const ROW_CHARACTERS_MAX = 16 * 1024 * 1024;

export class CsvReader {
  readonly #delimiter: string;
  /** The characters of a row that has not ended. */
  #rest = '';
  /** How much of `#rest` has been looked at, and whether a quoted field is open there. */
  #seen = 0;
  #isQuoted = false;
  #row = 1;

  constructor(delimiter = ',') {
    if (delimiter.length !== 1 || delimiter === '"') throw new UsageError('--delimiter: write one character');
    this.#delimiter = delimiter;
  }

  /** The rows that end in this piece. */
  push(piece: string): string[][] {
    this.#rest += piece;
    const rows: string[][] = [];
    let from = 0;
    for (let at = this.#seen; at < this.#rest.length; at++) {
      const code = this.#rest.charCodeAt(at);
      if (code === 34) this.#isQuoted = !this.#isQuoted;
      else if (code === 10 && !this.#isQuoted) {
        this.#take(this.#rest.slice(from, at), rows);
        from = at + 1;
      }
    }
    this.#rest = this.#rest.slice(from);
    this.#seen = this.#rest.length;
    if (this.#rest.length > ROW_CHARACTERS_MAX) {
      throw new UsageError(`row ${this.#row} does not end: is a quote missing, or is this no CSV?`);
    }
    return rows;
  }

  /** The last row, which needs no line end. */
  end(): string[][] {
    if (this.#isQuoted) throw new UsageError(`row ${this.#row}: a quote does not end`);
    const rows: string[][] = [];
    this.#take(this.#rest, rows);
    this.#rest = '';
    return rows;
  }

  #take(line: string, rows: string[][]): void {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (text !== '') rows.push(this.#fields(text));
    this.#row += 1;
  }

  #fields(text: string): string[] {
    if (!text.includes('"')) return text.split(this.#delimiter);
    const fields: string[] = [];
    for (let at = 0; at <= text.length;) {
      if (text[at] === '"') {
        const { field, next } = this.#quoted(text, at + 1);
        fields.push(field);
        at = next + 1;
      } else {
        const end = text.indexOf(this.#delimiter, at);
        fields.push(text.slice(at, end < 0 ? undefined : end));
        at = end < 0 ? text.length + 1 : end + 1;
      }
    }
    return fields;
  }

  /** `next` is the delimiter, or the end. */
  #quoted(text: string, from: number): { field: string; next: number } {
    let field = '';
    for (let at = from; ;) {
      const end = text.indexOf('"', at);
      if (end < 0) throw new UsageError(`row ${this.#row}: a quote does not end`);
      field += text.slice(at, end);
      if (text[end + 1] !== '"') {
        if (end + 1 < text.length && text[end + 1] !== this.#delimiter) {
          throw new UsageError(`row ${this.#row}: something follows the end of a quote`);
        }
        return { field, next: end + 1 };
      }
      field += '"';
      at = end + 2;
    }
  }
}
