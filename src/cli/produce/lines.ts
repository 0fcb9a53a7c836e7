/** Text in pieces, cut into lines; the line end may be more than one character. */
import { UsageError } from '../command.ts';

const LINE_CHARACTERS_MAX = 64 * 1024 * 1024;

export class LineCutter {
  readonly #end: string;
  #rest = '';

  constructor(end = '\n') {
    this.#end = end;
  }

  /** The lines that end in this piece, without their ends. */
  push(piece: string): string[] {
    const lines = (this.#rest + piece).split(this.#end);
    this.#rest = lines.pop()!;
    if (this.#rest.length > LINE_CHARACTERS_MAX) throw new UsageError('a line is longer than 64 MiB');
    return this.#end === '\n' ? lines.map(withoutReturn) : lines;
  }

  /** The last line, if it has no end. */
  end(): string[] {
    return this.#rest === '' ? [] : [withoutReturn(this.#rest)];
  }
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
