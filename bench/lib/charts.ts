/**
 * Charts of two brokers as SVG text, for docs/benchmarks/. Each point is the median of its samples with a whisker from the
 * least to the greatest, so that a reader sees what the machine's noise was. Colours differ in lightness too, and the
 * background is white rather than transparent: readable in print, for the colour-blind, and on dark pages.
 */
import { init } from 'echarts';
import type { CustomSeriesOption, EChartsOption, LineSeriesOption } from 'echarts';

export interface Axis {
  readonly name: string;
  /** Shown behind the name; empty for a plain count. */
  readonly unit: string;
  /** `log` for growth over a factor of 10 or more: proportional cost is then a straight line of slope 1. */
  readonly scale: 'log' | 'linear';
}

export interface Point {
  readonly x: number;
  /** One for each round; not empty, and positive on a log axis. */
  readonly samples: readonly number[];
}

export interface LineChart {
  readonly title: string;
  /** One line below the title: the settings without which the lines mean nothing. */
  readonly subtitle?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly headrace: readonly Point[];
  readonly kafka: readonly Point[];
}

const WIDTH = 720;
const HEIGHT = 420;
const INK = '#24292f';
const FAINT = '#d8dee4';
const MUTED = '#57606a';
const WHISKER_CAP = 4;
const SIDES = [
  { key: 'headrace', name: 'Headrace', color: '#0b5cad', symbol: 'circle' },
  { key: 'kafka', name: 'Apache Kafka', color: '#d9822b', symbol: 'triangle' },
] as const;

/** An SVG document. The same chart gives the same bytes, so that a rerun without news changes no file. */
export function lineChart(chart: LineChart): string {
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    drawing.setOption(options(chart));
    return still(drawing.renderToSVGString());
  } finally {
    drawing.dispose();
  }
}

function options(chart: LineChart): EChartsOption {
  const points = [...chart.headrace, ...chart.kafka];
  return {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'Helvetica, Arial, sans-serif', color: INK },
    title: {
      text: chart.title,
      ...(chart.subtitle === undefined ? {} : { subtext: chart.subtitle }),
      left: 16,
      top: 12,
      textStyle: { fontSize: 16, color: INK },
      subtextStyle: { fontSize: 12, color: MUTED },
    },
    legend: {
      right: 24,
      top: 62,
      icon: 'roundRect',
      itemHeight: 8,
      itemGap: 28,
      data: SIDES.map(({ name }) => name),
    },
    grid: { left: 84, right: 32, top: 92, bottom: 62 },
    xAxis: {
      ...axis(
        chart.x,
        points.map(({ x }) => x),
      ),
      nameGap: 34,
    },
    yAxis: {
      ...axis(
        chart.y,
        points.flatMap(({ samples }) => samples),
      ),
      nameGap: 58,
    },
    series: SIDES.flatMap((side) => [line(side, chart[side.key]), whiskers(side, chart[side.key])]),
  };
}

function axis({ name, unit, scale }: Axis, values: readonly number[]) {
  const label = unit === '' ? name : `${name} (${unit})`;
  const shared = {
    name: scale === 'log' ? `${label}, log scale` : label,
    nameLocation: 'middle' as const,
    nameTextStyle: { color: INK, fontSize: 13 },
    axisLine: { show: true, onZero: false, lineStyle: { color: MUTED } },
    axisTick: { show: true },
    axisLabel: { color: INK, fontSize: 12, formatter: shortNumber },
    splitLine: { show: true, lineStyle: { color: FAINT } },
  };
  if (scale === 'linear') return { ...shared, type: 'value' as const, min: 0 };
  const [min, max] = logEnds(values);
  return {
    ...shared,
    type: 'log' as const,
    min,
    max,
    minorTick: { show: true, splitNumber: 9 },
    minorSplitLine: { show: true, lineStyle: { color: '#f3f5f7' } },
  };
}

/** Whole decades around what there is: lines at 1, 10, 100 are what a reader of a log scale looks for. */
function logEnds(values: readonly number[]): [min: number, max: number] {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  if (!(least > 0)) throw new Error(`a log scale has no place for ${least}`);
  const low = 10 ** Math.floor(Math.log10(least));
  const high = 10 ** Math.ceil(Math.log10(greatest));
  return [low, high > low ? high : low * 10];
}

function line(side: (typeof SIDES)[number], points: readonly Point[]): LineSeriesOption {
  return {
    type: 'line',
    name: side.name,
    data: points.map(({ x, samples }) => [x, median(samples)]),
    symbol: side.symbol,
    symbolSize: 9,
    lineStyle: { width: 2.5, color: side.color },
    itemStyle: { color: side.color },
  };
}

function whiskers(side: (typeof SIDES)[number], points: readonly Point[]): CustomSeriesOption {
  return {
    type: 'custom',
    name: `${side.name}, least to greatest`,
    data: points.map(({ x, samples }) => [x, Math.min(...samples), Math.max(...samples)]),
    encode: { x: 0, y: [1, 2] },
    silent: true,
    z: 1,
    renderItem: (_, api) => {
      const [x, low] = api.coord([api.value(0), api.value(1)]) as [number, number];
      const [, high] = api.coord([api.value(0), api.value(2)]) as [number, number];
      const style = { stroke: side.color, lineWidth: 1.2, opacity: 0.8 };
      const stroke = (x1: number, y1: number, x2: number, y2: number) =>
        ({ type: 'line', shape: { x1, y1, x2, y2 }, style }) as const;
      const cap = (y: number) => stroke(x - WHISKER_CAP, y, x + WHISKER_CAP, y);
      return { type: 'group', children: [stroke(x, low, x, high), cap(low), cap(high)] };
    },
  };
}

export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** 1500 is 1.5k: at most four characters and a letter. */
export function shortNumber(value: number): string {
  for (const [size, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${letter}`;
  }
  return String(Number(value.toPrecision(3)));
}

/** Without what differs from one call to the next, and without what serves the mouse: these are images, nobody hovers. */
function still(svg: string): string {
  return svg
    .replaceAll(/<style[^]*?<\/style>/g, '')
    .replaceAll(/ (class|ecmeta_\w+|pointer-events)="[^"]*"/g, '')
    .replaceAll(/\bzr\d+-/g, 'zr0-');
}
