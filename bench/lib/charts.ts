/**
 * Charts as SVG text, for docs/benchmarks/. Points of a series that share their x are samples of one figure: drawn as their
 * median, with a whisker from the least to the greatest, so that a reader sees what the noise was. The sides' colours differ
 * in lightness too, and the background is white rather than transparent: readable in print, for the colour-blind, and on dark
 * pages.
 */
import { init } from 'echarts';
import type { BarSeriesOption, CustomSeriesOption, EChartsOption, LineSeriesOption } from 'echarts';
import { spread } from './figures.ts';
import type { Chart, Kind } from './question.ts';

type Series = Chart['series'][number];
type Scale = 'linear' | 'log';

/** A figure at its place: what is drawn of the samples that share an x. */
interface Place {
  readonly x: number | string;
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** A series as it is drawn. */
interface Drawn {
  readonly name: string;
  readonly color: string;
  readonly symbol: string;
  readonly dash: 'solid' | 'dashed' | 'dotted';
  readonly places: readonly Place[];
}

const WIDTH = 720;
const HEIGHT = 420;
const INK = '#24292f';
const MUTED = '#57606a';
const GRID = '#d8dee4';
const GRID_FAINT = '#f3f5f7';
const WHISKER_CAP = 4;
const SIDES: Readonly<Record<Kind, { color: string; symbol: string }>> = {
  headrace: { color: '#0b5cad', symbol: 'circle' },
  kafka: { color: '#d9822b', symbol: 'triangle' },
};
const OTHERS = ['#1a7f5a', '#8250df', '#57606a'];
/** Several series of one side have its colour, and tell themselves apart by their line. */
const DASHES = ['solid', 'dashed', 'dotted'] as const;

/** An SVG document. The same chart gives the same bytes, so that rendering again changes no file. */
export function renderChart(chart: Chart): string {
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    drawing.setOption(options(chart));
    return still(drawing.renderToSVGString());
  } finally {
    drawing.dispose();
  }
}

function options(chart: Chart): EChartsOption {
  const series = drawnSeries(chart);
  const places = series.flatMap((one) => one.places);
  const yValues = places.flatMap(({ min, max }) => [min, max]);
  return {
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'Helvetica, Arial, sans-serif', color: INK },
    title: { text: chart.title, left: 16, top: 12, textStyle: { fontSize: 16, color: INK } },
    legend: {
      left: 80,
      top: 42,
      itemHeight: 10,
      itemGap: 24,
      textStyle: { color: INK },
      data: series.map(({ name }) => name),
    },
    grid: { left: 84, right: 32, top: 76, bottom: 62 },
    xAxis: xAxis(
      chart,
      places.map(({ x }) => x),
    ),
    yAxis: {
      ...valueAxis(chart.yTitle, chart.yScale ?? 'linear', yValues),
      nameGap: 58,
    },
    series: series.flatMap((one): (LineSeriesOption | BarSeriesOption | CustomSeriesOption)[] =>
      chart.kind === 'bar' ? [bars(one)] : [line(one), whiskers(one)],
    ),
  };
}

/** What has no place on a logarithmic axis, a zero, is left out. */
function drawnSeries({ series, xScale, yScale }: Chart): Drawn[] {
  const seen = new Map<Kind | undefined, number>();
  const hasPlace = ([x, y]: Series['points'][number]): boolean =>
    (xScale !== 'log' || Number(x) > 0) && (yScale !== 'log' || y > 0);
  return series.map(({ name, kind, points }) => {
    const before = seen.get(kind) ?? 0;
    seen.set(kind, before + 1);
    const look =
      kind === undefined ? { color: OTHERS[before % OTHERS.length]!, symbol: 'rect' } : SIDES[kind];
    const dash = kind === undefined ? 'solid' : DASHES[before % DASHES.length]!;
    const byX = Map.groupBy(points.filter(hasPlace), ([x]) => x);
    const places = [...byX].map(([x, group]) => ({ x, ...spread(group.map(([, y]) => y))! }));
    return { name, ...look, dash, places };
  });
}

function xAxis({ kind, xTitle, xScale }: Chart, values: readonly (number | string)[]) {
  if (kind === 'bar' || values.some((value) => typeof value === 'string')) {
    const data = [...new Set(values.map(String))];
    const shared = sharedAxis(xTitle);
    // Each has its name: one that is left out where there is little room leaves the reader to guess.
    const axisLabel = { ...shared.axisLabel, interval: 0, fontSize: 11 };
    return { ...shared, axisLabel, type: 'category' as const, data, nameGap: 34 };
  }
  return { ...valueAxis(xTitle, xScale ?? 'linear', values.map(Number)), nameGap: 34 };
}

function sharedAxis(name: string) {
  return {
    name,
    nameLocation: 'middle' as const,
    nameTextStyle: { color: INK, fontSize: 13 },
    axisLine: { show: true, onZero: false, lineStyle: { color: MUTED } },
    axisTick: { show: true },
    axisLabel: { color: INK, fontSize: 12 },
  };
}

function valueAxis(title: string, scale: Scale, values: readonly number[]) {
  const shared = sharedAxis(scale === 'log' ? `${title}, log scale` : title);
  const numbers = {
    axisLabel: { ...shared.axisLabel, formatter: shortNumber },
    splitLine: { show: true, lineStyle: { color: GRID } },
  };
  if (scale === 'linear') return { ...shared, ...numbers, type: 'value' as const, min: 0 };
  const [min, max] = decades(values);
  return {
    ...shared,
    ...numbers,
    type: 'log' as const,
    min,
    max,
    minorTick: { show: true, splitNumber: 9 },
    minorSplitLine: { show: true, lineStyle: { color: GRID_FAINT } },
  };
}

/** Whole decades around what there is: lines at 1, 10, 100 are what a reader of such an axis looks for. */
function decades(values: readonly number[]): [min: number, max: number] {
  if (values.length === 0) return [1, 10];
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  return [low, high > low ? high : low * 10];
}

function line({ name, color, symbol, dash, places }: Drawn): LineSeriesOption {
  return {
    type: 'line',
    name,
    data: places.map(({ x, median }) => [x, median]),
    symbol,
    // Many points are a course over time, where symbols would hide the line.
    showSymbol: places.length <= 24,
    symbolSize: 9,
    lineStyle: { width: 2.5, color, type: dash },
    itemStyle: { color },
  };
}

function bars({ name, color, dash, places }: Drawn): BarSeriesOption {
  const opacity = dash === 'solid' ? 1 : dash === 'dashed' ? 0.65 : 0.4;
  return {
    type: 'bar',
    name,
    data: places.map(({ x, median }) => [String(x), median]),
    barMaxWidth: 48,
    itemStyle: { color, opacity },
    label: {
      show: true,
      position: 'top',
      color: INK,
      fontSize: 11,
      formatter: ({ value }) => shortNumber(Number((value as unknown[])[1])),
    },
  };
}

function whiskers({ name, color, places }: Drawn): CustomSeriesOption {
  return {
    type: 'custom',
    name: `${name}, least to greatest`,
    data: places.filter(({ min, max }) => max > min).map(({ x, min, max }) => [x, min, max]),
    encode: { x: 0, y: [1, 2] },
    silent: true,
    z: 1,
    renderItem: (_, api) => {
      const [x, low] = api.coord([api.value(0), api.value(1)]) as [number, number];
      const [, high] = api.coord([api.value(0), api.value(2)]) as [number, number];
      const style = { stroke: color, lineWidth: 1.2, opacity: 0.8 };
      const stroke = (x1: number, y1: number, x2: number, y2: number) =>
        ({ type: 'line', shape: { x1, y1, x2, y2 }, style }) as const;
      const cap = (y: number) => stroke(x - WHISKER_CAP, y, x + WHISKER_CAP, y);
      return { type: 'group', children: [stroke(x, low, x, high), cap(low), cap(high)] };
    },
  };
}

/** 1500 is 1.5k. */
function shortNumber(value: number): string {
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
