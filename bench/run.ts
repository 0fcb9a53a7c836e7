/**
 * `npm run bench [NAME...] -- [--rounds N] [--quick] [--only headrace|kafka|both] [--long] [--list]`: asks the questions of
 * this folder about Headrace and Apache Kafka, prints what it finds, stores it below docs/benchmarks/ and writes
 * docs/benchmarks.md anew from everything that is stored there. Without names it asks all but the long ones, with `--long`
 * those too. With `--quick`, or one side by `--only`, results go to a temporary folder instead: they show that a question
 * works, and are no figures. `--only both` asks for Kafka where a question leaves it out by itself. A name stands also for
 * those that begin with it and a hyphen. `--out FOLDER` sends results elsewhere, `--list` names the questions and how long
 * they take, and `--render` only writes the document. The brokers' data is in HEADRACE_BENCH_DIR or the system's temporary
 * folder, which should be on a disk: up to 10 GB of it are used at a time.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { machine } from './lib/machine.ts';
import { KINDS, NAMES, type BySide, type Context, type Kind, type Question } from './lib/question.ts';
import { answerText, renderDocument, renderPlain, type Stored } from './lib/render.ts';
import { ROOT } from './lib/servers.ts';
import { requireProc } from './lib/usage.ts';

/** In the order of the document. A question is the file of its name. */
const ORDER = [
  'produce',
  'consume',
  'small-requests',
  'latency',
  'catch-up',
  'start-up',
  'idle',
  'rebalance',
  'transactions',
  'compaction',
  'growth',
  'noisy-neighbour',
  'cluster',
  'cluster-latency',
  'cluster-failover',
  'failover',
  'rolling-restart',
  'soak',
  'anchor',
  'honesty',
];
const ROUNDS_DEFAULT = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    long: { type: 'boolean', default: false },
    out: { type: 'string' },
    list: { type: 'boolean', default: false },
    render: { type: 'boolean', default: false },
  },
});

const fileOf = (name: string): string => path.join(import.meta.dirname, `${name}.ts`);
const known = ORDER.filter((name) => existsSync(fileOf(name)));

async function load(name: string): Promise<Question> {
  const { question } = (await import(fileOf(name))) as { question: Question };
  if (question?.name !== name) throw new Error(`bench/${name}.ts exports no question of that name`);
  return question;
}

function kindsOf({ kinds = KINDS }: Question): readonly Kind[] {
  const { only } = values;
  if (only === undefined) return kinds;
  if (only !== 'both' && !KINDS.some((kind) => kind === only)) {
    throw new Error(`--only takes ${KINDS.join(', ')} or both`);
  }
  return KINDS.filter((kind) => only === 'both' || kind === only);
}

function context(question: Question): Context {
  const { name } = question;
  const kinds = kindsOf(question);
  const rounds = Number(values.rounds ?? (values.quick ? 1 : ROUNDS_DEFAULT));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number from 1');
  const startedAt = performance.now();
  const log = (text: string): void => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0).padStart(4);
    console.log(`${seconds} s  ${name}: ${text}`);
  };
  return {
    rounds,
    quick: values.quick,
    kinds,
    log,
    async alternate<T>(
      fn: (kind: Kind, round: number) => Promise<T>,
      { roundsMax = rounds }: { readonly roundsMax?: number } = {},
    ) {
      const samples: BySide<T> = { headrace: [], kafka: [] };
      for (let round = 0; round < Math.min(rounds, roundsMax); round++) {
        for (const kind of kinds) samples[kind].push(await fn(kind, round));
      }
      return samples;
    },
  };
}

async function ask(name: string, folder: string): Promise<void> {
  const question = await load(name);
  const { title, asks, answers } = question;
  const about = context(question);
  const sides = about.kinds.map((kind) => NAMES[kind]).join(' and ');
  console.log(`\n== ${title} (${name}): ${sides}, rounds ${about.rounds}${about.quick ? ', quick' : ''}`);
  const startedAt = performance.now();
  const result = await question.run(about);
  const { rounds, quick, kinds } = about;
  const tookSeconds = Math.round((performance.now() - startedAt) / 1000);
  const date = new Date().toISOString();
  for (const table of result.tables) console.log(renderPlain(table));
  // Also that each answer finds its row is seen now, not when the document is made.
  for (const answer of answers) console.log(`\n${answerText(answer, result).replaceAll('**', '')}`);
  console.log(`\n${name} took ${tookSeconds} s`);
  const stored: Stored = {
    name,
    title,
    asks,
    answers,
    date,
    rounds,
    quick,
    kinds,
    tookSeconds,
    machine: machine(),
    result,
  };
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(stored, null, 1)}\n`);
}

/** Writes `benchmarks.md` beside `folder`, and the charts into it. */
async function writeDocument(folder: string): Promise<string> {
  const stored = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Stored)
    .sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
  const links = new Map<string, string[]>();
  if (stored.some(({ result }) => (result.charts ?? []).length > 0)) {
    const { renderChart } = await import('./lib/charts.ts');
    for (const { name, result } of stored) {
      for (const chart of result.charts ?? []) {
        const file = `${name}-${chart.name}.svg`;
        writeFileSync(path.join(folder, file), renderChart(chart));
        links.set(name, [...(links.get(name) ?? []), `${path.basename(folder)}/${file}`]);
      }
    }
  }
  const document = path.join(path.dirname(folder), 'benchmarks.md');
  writeFileSync(document, renderDocument(stored, links));
  return document;
}

/** `cluster` stands for `cluster-latency` too. */
function isMeant(question: string, name: string): boolean {
  return question === name || question.startsWith(`${name}-`);
}

async function askedFor(): Promise<string[]> {
  if (positionals.length > 0) {
    return known.filter((one) => positionals.some((name) => isMeant(one, name)));
  }
  const isLong = await Promise.all(known.map(async (name) => (await load(name)).isLong === true));
  return known.filter((_, index) => values.long || !isLong[index]);
}

function outputFolder(): string {
  if (values.out !== undefined) return path.resolve(values.out, 'benchmarks');
  const isReal = !values.quick && (values.only === undefined || values.only === 'both');
  return path.join(isReal ? path.join(ROOT, 'docs') : path.join(tmpdir(), 'headrace-bench'), 'benchmarks');
}

if (values.list) {
  const questions = await Promise.all(known.map(load));
  const line = ({ name, title, minutes, isLong }: Question): string =>
    `${name.padEnd(18)}${String(minutes).padStart(3)} min  ${title}${isLong === true ? ' (when named, or with --long)' : ''}`;
  for (const question of questions) console.log(line(question));
  const total = (some: readonly Question[]): number => some.reduce((sum, { minutes }) => sum + minutes, 0);
  const usual = questions.filter(({ isLong }) => isLong !== true);
  console.log(
    `${''.padEnd(18)}${String(total(usual)).padStart(3)} min  all, ${total(questions)} with --long; ${ROUNDS_DEFAULT} rounds`,
  );
} else {
  requireProc();
  const unknown = positionals.filter((name) => !known.some((one) => isMeant(one, name)));
  if (unknown.length > 0) {
    throw new Error(`no question ${unknown.join(', ')}; there are ${known.join(', ')}`);
  }
  const folder = outputFolder();
  mkdirSync(folder, { recursive: true });
  const failed: string[] = [];
  const asked = values.render ? [] : await askedFor();
  for (const name of asked) {
    try {
      await ask(name, folder);
    } catch (error) {
      failed.push(name);
      console.error(`${name} FAILED:`, error);
    }
  }
  console.log(`\n${await writeDocument(folder)} is written`);
  if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
  process.exit(failed.length === 0 ? 0 : 1);
}
