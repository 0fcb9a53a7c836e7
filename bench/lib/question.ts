/**
 * What a question of the benchmark suite is, and what it answers. A question is a file `bench/NAME.ts` that exports
 * `question`; `bench/run.ts` runs it, stores what it answers as `docs/benchmarks/NAME.json`, and renders all that is stored.
 * So a result is data alone: samples, never figures that were worked out already.
 */

/** Headrace first: the order in which sides take turns within a round. */
export const KINDS = ['headrace', 'kafka'] as const;
export type Kind = (typeof KINDS)[number];

export const NAMES: Readonly<Record<Kind, string>> = { headrace: 'Headrace', kafka: 'Kafka' };

export type BySide<T> = Record<Kind, T[]>;

/** One figure in both worlds. The renderer works out min, median, max and the ratio of the medians, Headrace to Kafka. */
export interface Row {
  /** What was measured, and what sets this row apart from the others of its table. */
  readonly label: string;
  /** For example 'MB/s', 'ms', 'MiB'. MB is 1e6 bytes, MiB is 2^20. */
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** One sample a round. Empty when the side cannot be measured here. */
  readonly headrace: readonly number[];
  readonly kafka: readonly number[];
  /** The ratio of the medians that is wanted: at least this where higher is better, at most this where lower is. */
  readonly goal?: number;
}

export interface Table {
  readonly title: string;
  /** What a reader must know to read it; a short paragraph. */
  readonly text?: string;
  /** Shows how something was measured; nobody is better or worse for it. */
  readonly isInformation?: boolean;
  readonly rows: readonly Row[];
}

/** Drawn by `charts.ts` as `docs/benchmarks/QUESTION-NAME.svg`. */
export interface Chart {
  /** Part of the file's name: lower case, hyphens. */
  readonly name: string;
  readonly title: string;
  readonly kind: 'line' | 'bar';
  /** With the unit. */
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xScale?: 'linear' | 'log';
  readonly yScale?: 'linear' | 'log';
  readonly series: readonly {
    readonly name: string;
    /** Gives the series the colour of its side. */
    readonly kind?: Kind;
    /** x is a number, or a category that all series share in the same order. */
    readonly points: readonly (readonly [x: number | string, y: number])[];
  }[];
}

export interface QuestionResult {
  /** One sentence each: what both sides had in common, then what each was told. */
  readonly settings: readonly string[];
  readonly tables: readonly Table[];
  readonly charts?: readonly Chart[];
}

export interface Context {
  readonly rounds: number;
  /** A smoke run: everything as small as still shows that it works. Its figures are never stored with the real ones. */
  readonly quick: boolean;
  /** The sides to run, normally both; `--only` takes one. */
  readonly kinds: readonly Kind[];
  log(text: string): void;
  /**
   * Calls `fn` for each side in turn, `rounds` times (A B A B ...) or `roundsMax` at most; what it answered, by side and in
   * order.
   */
  alternate<T>(
    fn: (kind: Kind, round: number) => Promise<T>,
    options?: { readonly roundsMax?: number },
  ): Promise<BySide<T>>;
}

/** A row that answers the question in one line: "Headrace SAYS 812 MB/s, Kafka 390 MB/s: 2.1x (WHERE)." */
export interface Answer {
  readonly says: string;
  readonly where: string;
  /** The title of a table of the result, and the label of a row in it; by default its last. */
  readonly table: string;
  readonly row?: string;
}

export interface Question {
  /** As its file: kebab-case. */
  readonly name: string;
  readonly title: string;
  /** One paragraph: what is asked, and why somebody who chooses a broker wants to know. */
  readonly asks: string;
  /** How long it takes with 3 rounds on a quiet machine of two cores, about. */
  readonly minutes: number;
  /** Not part of what is asked when nothing is named. */
  readonly isLong?: boolean;
  /** The sides to run unless `--only` says otherwise; by default both. */
  readonly kinds?: readonly Kind[];
  /** What a newcomer reads first; at least one. */
  readonly answers: readonly Answer[];
  run(context: Context): Promise<QuestionResult>;
}

/** A row from samples of both sides and the number that is meant in each. */
export function row<T>(
  samples: BySide<T>,
  pick: (sample: T) => number,
  about: Omit<Row, 'headrace' | 'kafka'>,
): Row {
  return { ...about, headrace: samples.headrace.map(pick), kafka: samples.kafka.map(pick) };
}
