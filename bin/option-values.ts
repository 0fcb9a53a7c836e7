/** Values of options, checked as commander wants it. */
import { InvalidArgumentError } from 'commander';
import { parseBytes } from '../src/cli/table.ts';

const INT32_MAX = 2_147_483_647;

function wholeNumber(text: string, { min, max, what }: { min: number; max: number; what: string }): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < min || number > max || text.trim() === '') {
    throw new InvalidArgumentError(what);
  }
  return number;
}

export function portNumber(text: string): number {
  return wholeNumber(text, { min: 0, max: 65_535, what: '0 to 65535' });
}

export function nodeNumber(text: string): number {
  return wholeNumber(text, { min: 0, max: INT32_MAX, what: 'a number from 0 on' });
}

export function positiveNumber(text: string): number {
  return wholeNumber(text, { min: 1, max: Number.MAX_SAFE_INTEGER, what: 'a number from 1 on' });
}

/** Below 0 as well. */
export function anyNumber(text: string): number {
  const max = Number.MAX_SAFE_INTEGER;
  return wholeNumber(text, { min: -max, max, what: 'a whole number' });
}

export function brokerCount(text: string): number {
  return wholeNumber(text, { min: 1, max: 9, what: '1 to 9' });
}

export function seconds(text: string): number {
  const number = Number(text);
  if (!(number >= 0 && number <= 3_600)) throw new InvalidArgumentError('0 to 3600');
  return number;
}

export function byteSize(text: string): number {
  const size = parseBytes(text);
  if (size === undefined) throw new InvalidArgumentError('a size, such as 50MB');
  return size;
}

/** An option that may be repeated. */
export function gather(one: string, before: readonly string[]): string[] {
  return [...before, one];
}

export function gatherIds(text: string, before: readonly number[]): number[] {
  return [...before, nodeNumber(text)];
}
