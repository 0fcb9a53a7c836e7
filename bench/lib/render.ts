/** Results as text: for the terminal while they come, and `docs/benchmarks.md` from all that are stored. */
import { figure, goalText, isGoalMet, ratio, spread } from './figures.ts';
import type { Machine } from './machine.ts';
import type { Answer, Kind, QuestionResult, Row, Table } from './question.ts';

/** What `docs/benchmarks/NAME.json` holds. */
export interface Stored {
  readonly name: string;
  readonly title: string;
  readonly asks: string;
  readonly answers: readonly Answer[];
  /** ISO 8601, UTC, when the question was through. */
  readonly date: string;
  readonly rounds: number;
  readonly quick: boolean;
  readonly kinds: readonly Kind[];
  readonly tookSeconds: number;
  readonly machine: Machine;
  readonly result: QuestionResult;
}

const HEAD = `# Benchmarks

Headrace next to Apache Kafka, on the same machine, in the same run, with settings that mean the same; the two take turns. Clients
and broker share the machine and its loopback, so the figures compare; they are not what a network gives.

How to read it: first a line for each question, then how far apart the two are, then each question with its charts, its tables
and, folded up, its settings. Every figure in a table is minimum / **median** / maximum of the rounds. The ratio is Headrace's
median divided by Kafka's: of a throughput, "2x" means that Headrace moves twice as much; of a time, of processor time or of
memory, "0.5x" means that it takes half. "Relaxed" acknowledges a record that is in the page cache, "fsync" one that is on the
device. MB is 10^6 bytes, MiB 2^20.

\`npm run bench\` asks all questions but the long ones, \`npm run bench NAME\` one; both make this page from the results in
\`docs/benchmarks/\`. A "+" after a commit says that the checkout had changes which no commit has.
`;

/** Ratios so near to 1 say nothing. */
const ALIKE = 0.05;

/** All of the document. `links` are the charts' files of each question, as written in the document. */
export function renderDocument(
  stored: readonly Stored[],
  links: ReadonlyMap<string, readonly string[]>,
): string {
  const parts = [HEAD, short(stored), summary(stored), machines(stored)];
  for (const one of stored) parts.push(section(one, links.get(one.name) ?? []));
  return `${parts.filter((part) => part !== '').join('\n')}`;
}

/** A table for the terminal. */
export function renderPlain(table: Table): string {
  const lines = table.rows.map((row) => [
    row.label,
    `${plainSpread(row.headrace)} ${row.unit}`,
    `${plainSpread(row.kafka)} ${row.unit}`,
    table.isInformation === true ? '' : ratioText(row),
    verdict(row).replaceAll('**', ''),
  ]);
  const all = [['', 'Headrace min / median / max', 'Kafka', 'ratio', 'goal'], ...lines];
  const widths = all[0].map((_, column) => Math.max(...all.map((line) => line[column].length)));
  const text = all.map((line) => line.map((cell, column) => cell.padEnd(widths[column])).join('  '));
  return `\n${table.title}\n${text.map((line) => `  ${line.trimEnd()}`).join('\n')}`;
}

function machines(stored: readonly Stored[]): string {
  const texts = stored.map(({ machine }) => {
    const { processor, cores, memoryGiB, kernel, fileSystem, node, java, kafka } = machine;
    const hardware = `${processor}, ${cores} cores, ${memoryGiB} GiB; ${kernel}; data on ${fileSystem}`;
    return `- ${hardware}. Node ${node.slice(1)}; Kafka ${kafka} on ${java}.`;
  });
  return `## Measured on\n\n${[...new Set(texts)].join('\n')}\n`;
}

/** One line for each question, for who reads no further. */
function short(stored: readonly Stored[]): string {
  const lines = stored.map(({ name, title, answers, result }) => {
    return `- [${title}](#${name}): ${answerText(answers[0], result)}`;
  });
  return `## In short\n\n${lines.join('\n')}\n`;
}

/** Errors: the result has no such table or row. */
export function answerText({ says, where, table, row: label }: Answer, { tables }: QuestionResult): string {
  const rows = tables.find(({ title }) => title === table)?.rows ?? [];
  const found = label === undefined ? rows.at(-1) : rows.find((one) => one.label === label);
  if (found === undefined) throw new Error(`no row ${label ?? ''} in a table "${table}"`);
  const text = (samples: readonly number[]): string | undefined =>
    samples.length === 0 ? undefined : `${plainMedian(samples)} ${found.unit}`;
  const [headrace, kafka] = [text(found.headrace), text(found.kafka)];
  if (headrace === undefined || kafka === undefined) {
    const name = headrace === undefined ? 'Kafka' : 'Headrace';
    return `${name} ${says} **${headrace ?? kafka ?? 'nothing'}** (${where}).`;
  }
  return `Headrace ${says} **${headrace}**, Kafka ${kafka}: **${ratioText(found)}**, ${ahead(found)} (${where}).`;
}

/** Whom the ratio speaks for. */
function ahead(row: Row): string {
  const is = ratio(row);
  if (is === undefined) return 'no ratio';
  if (Math.abs(is - 1) <= ALIKE) return 'about the same';
  return isBehind(row) ? 'Kafka is ahead' : 'Headrace is ahead';
}

interface Place {
  readonly question: string;
  readonly table: Table;
  readonly row: Row;
}

/** What a reader asks next: how far apart the two are, which goals are missed, and where Kafka is ahead. */
function summary(stored: readonly Stored[]): string {
  const lines: string[] = [];
  const worse: Place[] = [];
  for (const { name, title, result } of stored) {
    for (const table of result.tables) {
      const rows = table.rows.filter((one) => ratio(one) !== undefined);
      if (table.isInformation === true || rows.length === 0) continue;
      // What is not of one kind has no worst and best: then each kind has a line.
      const kinds = Map.groupBy(rows, ({ unit, better }) => `${unit} ${better}`);
      for (const [, alike] of kinds) {
        const figureText = kinds.size === 1 ? table.title : `${table.title}, ${alike[0].unit}`;
        lines.push(summaryLine(`[${title}](#${name})`, figureText, alike));
      }
      const found = rows.filter((one) => isBehind(one) || isGoalMet(one) === false);
      worse.push(...found.map((one) => ({ question: name, table, row: one })));
    }
  }
  const head = '| question | figure | ratio, worst to best | Headrace ahead | goals met |';
  const parts = [`## How far apart\n\n${head}\n| --- | --- | ---: | ---: | ---: |\n${lines.join('\n')}\n`];
  if (worse.length > 0) {
    parts.push(`Where Kafka is ahead, or a goal is missed:\n\n${worse.map(worseLine).join('\n')}\n`);
  }
  return parts.join('\n');
}

function summaryLine(question: string, title: string, rows: readonly Row[]): string {
  const { better } = rows[0];
  const ratios = rows.map((one) => ratio(one)!).sort((a, b) => (better === 'higher' ? a - b : b - a));
  const goals = rows.filter(({ goal }) => goal !== undefined);
  const met = goals.filter((one) => isGoalMet(one) === true);
  const ahead = rows.filter((one) => !isBehind(one));
  const range = ratios.length === 1 ? times(ratios[0]) : `${times(ratios[0])} to ${times(ratios.at(-1)!)}`;
  const cells = [
    question,
    title,
    range,
    `${ahead.length} of ${rows.length}`,
    goals.length === 0 ? '' : `${met.length} of ${goals.length} (${goalText(goals[0])})`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function worseLine({ question, table, row }: Place): string {
  const figures = `${plainMedian(row.headrace)} to ${plainMedian(row.kafka)} ${row.unit}`;
  const verdicts = isBehind(row) ? ['Kafka is ahead'] : [];
  if (isGoalMet(row) === false) verdicts.push(`goal ${goalText(row)} missed`);
  return `- ${question}, ${table.title}, ${row.label}: ${ratioText(row)} (${figures}); ${verdicts.join(', ')}`;
}

function isBehind(row: Row): boolean {
  const is = ratio(row);
  return is !== undefined && (row.better === 'higher' ? is < 1 : is > 1);
}

function section(stored: Stored, links: readonly string[]): string {
  const { name, title, asks, answers, result, date, rounds, quick, tookSeconds, machine } = stored;
  const parts = [`<a id="${name}"></a>\n\n## ${title}\n\n${asks}\n`];
  parts.push(`${answers.map((one) => answerText(one, result)).join('\n\n')}\n`);
  const taken = [
    quick ? 'SMOKE RUN, no figures to believe' : undefined,
    `\`npm run bench ${name}\``,
    date.slice(0, 10),
    `${rounds} ${rounds === 1 ? 'round' : 'rounds'} in ${Math.round(tookSeconds / 60) || 1} min`,
    `Headrace ${machine.headrace}`,
  ];
  parts.push(`*${taken.filter((one) => one !== undefined).join(', ')}.*\n`);
  for (const [index, link] of links.entries()) parts.push(`![${result.charts![index].title}](${link})\n`);
  for (const table of result.tables) parts.push(renderTable(table));
  const settings = result.settings.map((one) => `- ${one}`).join('\n');
  parts.push(
    `<details><summary>How it was measured, and the settings of both</summary>\n\n${settings}\n\n</details>\n`,
  );
  return parts.join('\n');
}

function renderTable({ title, text, rows, isInformation = false }: Table): string {
  const hasGoal = rows.some(({ goal }) => goal !== undefined);
  const head = [isInformation ? '' : betterText(rows), 'unit', 'Headrace', 'Kafka'];
  if (!isInformation) head.push('ratio');
  if (hasGoal) head.push('goal');
  const cells = rows.map((row) => [
    row.label,
    row.unit,
    markdownSpread(row.headrace),
    markdownSpread(row.kafka),
    ...(isInformation ? [] : [ratioText(row)]),
    ...(hasGoal ? [verdict(row)] : []),
  ]);
  const line = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`;
  const rule = head.map((_, column) => (column < 2 ? '---' : '---:'));
  const parts = [isInformation ? `<details><summary>${title}</summary>\n` : `### ${title}\n`];
  if (text !== undefined) parts.push(`${text}\n`);
  parts.push(`${[line(head), line(rule), ...cells.map(line)].join('\n')}\n`);
  if (isInformation) parts.push('</details>\n');
  return parts.join('\n');
}

function betterText(rows: readonly Row[]): string {
  const [first, ...others] = new Set(rows.map(({ better }) => better));
  if (first === undefined || others.length > 0) return '';
  return first === 'higher' ? 'more is better' : 'less is better';
}

function markdownSpread(samples: readonly number[]): string {
  const of = spread(samples);
  if (of === undefined) return '-';
  if (samples.length === 1) return `**${figure(of.median)}**`;
  return `${figure(of.min)} / **${figure(of.median)}** / ${figure(of.max)}`;
}

function plainSpread(samples: readonly number[]): string {
  return markdownSpread(samples).replaceAll('**', '');
}

function plainMedian(samples: readonly number[]): string {
  const of = spread(samples);
  return of === undefined ? '-' : figure(of.median);
}

function ratioText(row: Row): string {
  const is = ratio(row);
  return is === undefined ? '' : times(is);
}

/** Two digits after the point where they matter, and one that is no 0 always. */
function times(of: number): string {
  if (of < 0.01) return `${Number(of.toPrecision(1))}x`;
  return `${of.toFixed(of >= 10 ? 0 : of >= 0.1 ? 2 : 3)}x`;
}

function verdict(row: Row): string {
  const isMet = isGoalMet(row);
  if (isMet === undefined) return goalText(row);
  return `${goalText(row)} ${isMet ? 'met' : '**missed**'}`;
}
