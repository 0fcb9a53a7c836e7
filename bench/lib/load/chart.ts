/** The goals' loads as bars: who is ahead, at a glance. */
import type { BySide, Chart } from '../question.ts';
import { KINDS, NAMES } from '../question.ts';
import type { Sample } from './measure.ts';

export interface Bar {
  readonly valueBytes: number;
  readonly partitions: number;
  readonly clients: number;
  readonly samples: BySide<Sample>;
}

/** MB/s of both sides; one group of bars for each load. */
export function throughputChart(title: string, bars: readonly Bar[]): Chart {
  return {
    name: 'throughput',
    title,
    kind: 'bar',
    xTitle: 'record size; partitions (p) and clients (c)',
    yTitle: 'MB/s, more is better',
    series: KINDS.map((kind) => ({
      name: NAMES[kind],
      kind,
      points: bars.flatMap((bar) =>
        bar.samples[kind].map((sample) => [labelOf(bar), sample.megabytesPerSecond] as const),
      ),
    })),
  };
}

function labelOf({ valueBytes, partitions, clients }: Bar): string {
  const size = valueBytes < 1024 ? `${valueBytes} B` : `${valueBytes / 1024} KiB`;
  return `${size}\n${partitions}p, ${clients}c`;
}
