/** What people write on a command line, as values. All throw UsageError, which names what was written. */
import { UsageError } from './command.ts';

/** `name=value`, several. */
export function parsePairs(texts: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`${text}: write name=value`);
    pairs[text.slice(0, at)] = text.slice(at + 1);
  }
  return pairs;
}

/** `0,2-4` as [0, 2, 3, 4]. */
export function parseNumbers(text: string): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part.trim());
    const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || last < first || last - first > RANGE_MAX) {
      throw new UsageError(`${text}: write numbers, such as 0,2-4`);
    }
    for (let n = first; n <= last; n++) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b);
}

const RANGE_MAX = 100_000;

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `90s`, `15m`, `2h`, `7d` in ms. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]+)$/.exec(text.trim());
  const unit = match === null ? undefined : UNITS_MS[match[2]!];
  if (match === null || unit === undefined)
    throw new UsageError(`${text}: write a duration, such as 15m or 2h`);
  return Math.round(Number(match[1]) * unit);
}

/** A date, ms since the epoch, `now`, or how long ago: `2h`. */
export function parseTime(text: string, nowMs: number): number {
  if (text === 'now') return nowMs;
  if (/^\d{12,}$/.test(text)) return Number(text);
  if (/^\d+(\.\d+)? ?[a-z]+$/.test(text)) return nowMs - parseDuration(text);
  const time = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new UsageError(
      `${text}: write a time: 2026-01-31T12:00:00Z, ms since the epoch, or how long ago, such as 2h`,
    );
  }
  return time;
}

/** `\n`, `\t`, `\r`, `\0`, `\\` and `\x1f` as what they stand for. */
export function unescape(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|[ntr0\\])/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : ESCAPES[code]!,
  );
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', 0: '\0', '\\': '\\' };

/** A time as people and programs read it; `-` for none. */
export function printTime(timeMs: number): string {
  return timeMs < 0 ? '-' : new Date(timeMs).toISOString();
}

/** `orders:0`. */
export function parseTopicPartition(text: string): { topic: string; partition: number } {
  const match = /^(.+):(\d{1,9})$/.exec(text);
  if (match === null) throw new UsageError(`${text}: write TOPIC:NUMBER, such as orders:0`);
  return { topic: match[1]!, partition: Number(match[2]) };
}
