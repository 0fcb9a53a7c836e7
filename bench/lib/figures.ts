/** Samples made into figures: for the terminal and the document alike. */
import type { Row } from './question.ts';

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spread(samples: readonly number[]): Spread | undefined {
  if (samples.length === 0) return undefined;
  const sorted = samples.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { min: sorted[0], median, max: sorted.at(-1)! };
}

/** Headrace's median to Kafka's; undefined where one side has none or Kafka's is nothing. */
export function ratio(row: Row): number | undefined {
  const headrace = spread(row.headrace)?.median;
  const kafka = spread(row.kafka)?.median;
  if (headrace === undefined || kafka === undefined || kafka === 0) return undefined;
  return headrace / kafka;
}

/** Undefined without a goal or a ratio. */
export function isGoalMet({ better, goal, ...row }: Row): boolean | undefined {
  const is = ratio({ better, ...row });
  if (goal === undefined || is === undefined) return undefined;
  return better === 'higher' ? is >= goal : is <= goal;
}

export function goalText({ better, goal }: Row): string {
  return goal === undefined ? '' : `${better === 'higher' ? '>=' : '<='} ${goal}`;
}

/** Three digits that mean something, and no more. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4);
}

/** What a load is called in tables and charts: "1 KiB, 16 partitions, 8 clients". */
export function loadLabel(valueBytes: number, partitions: number, clients: number): string {
  const size = valueBytes < 1024 ? `${valueBytes} B` : `${valueBytes / 1024} KiB`;
  const some = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
  return `${size}, ${some(partitions, 'partition')}, ${some(clients, 'client')}`;
}
