/** Open-loop results as rows: what was measured in one round, and the same figures of all rounds side by side. */
import { spreadOf, type Spread } from '../percentiles.ts';
import type { BySide, Row } from '../question.ts';
import type { OpenLoopResult } from './open-loop.ts';

export interface Latencies {
  readonly produce: Spread;
  /** Undefined when nobody consumed, or not all came. */
  readonly endToEnd: Spread | undefined;
  readonly lateness: Spread;
  readonly isHeld: boolean;
  /** Processor seconds of the generators, from the start of the run to its end. */
  readonly generatorCpuSeconds: number;
}

export function latenciesOf(result: OpenLoopResult): Latencies {
  const { produceMs, endToEndMs, latenessMs, producer, consumer, isHeld } = result;
  return {
    produce: spreadOf(produceMs),
    endToEnd: consumer === undefined || endToEndMs.length === 0 ? undefined : spreadOf(endToEndMs),
    lateness: spreadOf(latenessMs),
    isHeld,
    generatorCpuSeconds: producer.cpuSeconds + (consumer?.cpuSeconds ?? 0),
  };
}

/** For the progress lines. */
export function latencyText({ produce, endToEnd, isHeld }: Latencies): string {
  const text = ({ p50, p99, p999, max }: Spread): string =>
    [p50, p99, p999, max].map((ms) => ms.toFixed(2)).join(' / ');
  const ends = endToEnd === undefined ? '' : `, end to end ${text(endToEnd)}`;
  return `produce p50 / p99 / p99.9 / max ${text(produce)}${ends} ms${isHeld ? '' : ', DID NOT KEEP UP'}`;
}

/** A latency, and its name in a label. */
const PERCENTILES = [
  ['p50', 'p50'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'max'],
] as const;
type Percentile = (typeof PERCENTILES)[number][0];

/** The ratios that are wanted of single percentiles. */
export type Goals = Partial<Record<Percentile, number>>;

/** Produce and end to end, each percentile. Rounds in which something was not measured are not in the row. */
export function latencyRows(
  label: string,
  { samples, goals }: { readonly samples: BySide<Latencies>; readonly goals: Goals },
): Row[] {
  const of = (name: 'produce' | 'endToEnd', title: string): Row[] =>
    PERCENTILES.map(([percentile, text]) => {
      const pick = (all: readonly Latencies[]): number[] =>
        all.flatMap((one) => {
          const spread = one[name];
          return spread === undefined ? [] : [spread[percentile]];
        });
      const goal = goals[percentile];
      return {
        label: `${label}${title} ${text}`,
        unit: 'ms',
        better: 'lower',
        headrace: pick(samples.headrace),
        kafka: pick(samples.kafka),
        ...(goal === undefined ? {} : { goal }),
      };
    });
  const rows = [...of('produce', 'produce'), ...of('endToEnd', 'end to end')];
  return rows.filter(({ headrace, kafka }) => headrace.length + kafka.length > 0);
}

/** What the generator adds to both sides alike: how late requests left it. */
export function latenessRow(label: string, samples: BySide<Latencies>): Row {
  const pick = (all: readonly Latencies[]): number[] => all.map(({ lateness }) => lateness.p99);
  return {
    label,
    unit: 'ms',
    better: 'lower',
    headrace: pick(samples.headrace),
    kafka: pick(samples.kafka),
  };
}
