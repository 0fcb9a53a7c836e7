/** A figure over what grew, as a chart: both axes logarithmic, each round's sample a point of its own. */
import { KINDS, NAMES, type BySide, type Chart } from '../question.ts';

/** What was found at one size. */
export interface Growth<T> {
  readonly size: number;
  readonly samples: BySide<T>;
}

export interface GrowthFigure<T> {
  readonly name: string;
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly growth: readonly Growth<T>[];
  readonly pick: (sample: T) => number;
}

export function growthChart<T>({ name, title, xTitle, yTitle, growth, pick }: GrowthFigure<T>): Chart {
  return {
    name,
    title,
    kind: 'line',
    xTitle,
    yTitle,
    xScale: 'log',
    yScale: 'log',
    series: KINDS.map((kind) => ({
      name: NAMES[kind],
      kind,
      points: growth.flatMap(({ size, samples }) =>
        samples[kind].map((sample) => [size, pick(sample)] as const),
      ),
    })),
  };
}
