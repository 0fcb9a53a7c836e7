/** Results as text: for the terminal while they come, and `docs/benchmarks.md` from all that are stored. */
import { figure, goalText, isGoalMet, ratio, spread } from './figures.ts';
import type { Machine } from './machine.ts';
import type { Kind, QuestionResult, Row, Table } from './question.ts';

/** What `docs/benchmarks/NAME.json` holds. */
export interface Stored {
  readonly name: string;
  readonly title: string;
  readonly asks: string;
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

Headrace next to Apache Kafka, on the same machine, in the same run, with settings that mean the same; the two take turns.
\`npm run bench\` runs everything, \`npm run bench NAME\` one question, and makes this page from the results in
\`docs/benchmarks/\`. Every figure is minimum / **median** / maximum of the rounds. The ratio is Headrace's median divided by
Kafka's: "1.5x" of a throughput means half as much again, "0.5x" of a time or of memory means half. MB is 10^6 bytes, MiB 2^20.
Client, load generator and broker share one machine and its loopback, so the figures compare; they are not what a network gives.
`;

/** All of the document. `links` are the charts' files of each question, as written in the document. */
export function renderDocument(
  stored: readonly Stored[],
  links: ReadonlyMap<string, readonly string[]>,
): string {
  const parts = [HEAD, machines(stored), summary(stored)];
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
  const groups = new Map<string, string[]>();
  for (const { name, machine, date, rounds, quick } of stored) {
    const { processor, cores, memoryGiB, kernel, fileSystem } = machine;
    const text = [
      `${processor}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, data on ${fileSystem};`,
      `Node ${machine.node.slice(1)}, ${machine.java}; Kafka ${machine.kafka}, Headrace ${machine.headrace};`,
      `${date.slice(0, 10)}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}${quick ? ', SMOKE RUN' : ''}`,
    ].join(' ');
    groups.set(text, [...(groups.get(text) ?? []), name]);
  }
  const lines = [...groups].map(([text, names]) =>
    groups.size === 1 ? `- ${text}` : `- ${names.map((name) => `\`${name}\``).join(', ')}: ${text}`,
  );
  return `## Measured on\n\n${lines.join('\n')}\n`;
}

/** What a reader asks first: which goals are met, and where Kafka is ahead. */
function summary(stored: readonly Stored[]): string {
  const rows = stored.flatMap(({ name, result }) =>
    result.tables
      .filter(({ isInformation }) => isInformation !== true)
      .flatMap((table) => table.rows.map((row) => ({ name, table, row }))),
  );
  const goals = rows.filter(({ row }) => isGoalMet(row) !== undefined);
  const missed = goals.filter(({ row }) => isGoalMet(row) === false);
  const behind = rows.filter(({ row }) => {
    const is = ratio(row);
    return is !== undefined && (row.better === 'higher' ? is < 1 : is > 1);
  });
  const list = (found: typeof rows): string =>
    found
      .map(
        ({ name, table, row }) =>
          `- [${name}](#${name}), ${table.title}, ${row.label}: ${ratioText(row)} ` +
          `(${plainMedian(row.headrace)} to ${plainMedian(row.kafka)} ${row.unit}` +
          `${row.goal === undefined ? '' : `, goal ${goalText(row)}`})`,
      )
      .join('\n');
  const parts = [`## In short\n\n${goals.length - missed.length} of ${goals.length} goals are met.`];
  if (missed.length > 0) parts.push(`\nGoals missed:\n\n${list(missed)}`);
  if (behind.length > 0) parts.push(`\nWhere Kafka is ahead, goal or not:\n\n${list(behind)}`);
  return `${parts.join('\n')}\n`;
}

function section(stored: Stored, links: readonly string[]): string {
  const { name, title, asks, result } = stored;
  const parts = [`<a id="${name}"></a>\n\n## ${title}\n\n${asks}\n`];
  parts.push(`${result.settings.map((one) => `- ${one}`).join('\n')}\n`);
  for (const table of result.tables) parts.push(renderTable(table));
  for (const link of links) parts.push(`![](${link})\n`);
  return parts.join('\n');
}

function renderTable({ title, text, rows, isInformation = false }: Table): string {
  const hasGoal = rows.some(({ goal }) => goal !== undefined);
  const head = ['', 'unit', 'Headrace', 'Kafka'];
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
  return is === undefined ? '' : `${is.toFixed(2)}x`;
}

function verdict(row: Row): string {
  const isMet = isGoalMet(row);
  if (isMet === undefined) return goalText(row);
  return `${goalText(row)} ${isMet ? 'met' : '**missed**'}`;
}
