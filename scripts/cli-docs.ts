/**
 * `node scripts/cli-docs.ts` writes docs/cli.md: each command on the page is run against a broker that begins empty, and what it
 * prints is the page. What differs from run to run (ids, times, ports) is replaced by examples. test/cli-docs.test.ts
 * compares.
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { COMMANDS } from '../bin/commands.ts';
import { Headrace } from '../src/testing/headrace.ts';

const ROOT = resolve(import.meta.dirname, '..');
export const CLI_PAGE = join(ROOT, 'docs', 'cli.md');

/** Text, or commands in a row. */
type Part = string | readonly string[];

const PARTS: readonly Part[] = [
  `# The command line

\`headrace\` works with Headrace and with Apache Kafka. Everything below was made by running it against a broker that had
just been started with \`headrace start\`.

Each command has \`--help\`. Results go to standard output, remarks to standard error. The exit code is 0 when it is done, 1 when
it failed, 2 when the command line makes no sense, 130 when it was interrupted before its end.
`,
  '\n## Where the cluster is\n\nWithout a word commands go to 127.0.0.1:9092. A context gives a connection a name:\n',
  [
    'headrace context set local --bootstrap-server 127.0.0.1:9092',
    'headrace context list',
    'headrace topics list',
  ],
  `
\`headrace context use NAME\` chooses another; \`--context NAME\` or HEADRACE_CONTEXT do so for one command, and
\`--bootstrap-server HOST:PORT\` goes where it says. \`--command-config FILE\` names a file with the settings of a Kafka client
(\`security.protocol\`, \`ssl.*\`, \`sasl.*\`); a context remembers it. With an address on the command line nothing of a context
counts, so that a password does not go where it does not belong. The file of contexts is
\`$XDG_CONFIG_HOME/headrace/contexts.json\`, else \`~/.config/headrace/contexts.json\`.
`,
  '\n## A topic\n',
  [
    'headrace topics create orders --partitions 2 --config retention.ms=86400000',
    'headrace topics describe orders',
  ],
  '\n## Records from files\n\nCSV with a header becomes JSON; a field can be the key:\n',
  ['cat orders.csv', 'headrace produce orders orders.csv --key-field id'],
  '\nJSON comes a value a line, or as one array:\n',
  [
    'cat more.json',
    'headrace produce orders more.json --key-field id --header source=web --compression zstd',
  ],
  '\nWhat is typed or piped is a record a line:\n',
  [`echo 'o-7:{"id":"o-7","item":"rope","price":12}' | headrace produce orders --key-separator :`],
  '\n## Reading them\n\n`consume` prints what is there and ends. The order is that of each partition:\n',
  [
    'headrace consume orders --partition 0',
    'headrace consume orders --partition 1 --show offset,key,headers',
    "headrace consume orders --where item=lamp --format '%p@%o %k: %s\\n'",
    'headrace consume orders --key o-4 --json',
    'headrace consume orders --key o-4 --format hex',
  ],
  `
\`--tail 10\` begins with the last ten records of the topic, \`--from-time 2h\` two hours ago, \`--offset -5\` five before the
end; \`--follow\` goes on with what comes, and alone begins with it. \`--grep\`, \`--header\` and \`--until-time\` choose further.
What \`--json\` prints can be produced again: \`headrace consume orders --json | headrace produce copy --format records\`.
`,
  '\n## Groups\n\nWith `--group` a group moves on; what came since is its lag:\n',
  [
    'headrace consume orders --group billing | wc -l',
    `echo 'o-8:{"id":"o-8","item":"kettle","price":40}' | headrace produce orders --key-separator :`,
    'headrace groups list',
    'headrace groups describe billing',
  ],
  '\nMoving it shows first what it would do:\n',
  [
    'headrace groups reset-offsets billing --topic orders --to-earliest',
    'headrace groups reset-offsets billing --topic orders --to-earliest --apply',
    'headrace groups describe billing --json',
  ],
  '\nOther targets are `--to-latest`, `--to-time`, `--to-offset` and `--shift-by`.\n',
  '\n## Settings, brokers\n',
  [
    'headrace configs set topic/orders retention.ms=3600000 cleanup.policy=delete',
    'headrace configs get topic/orders',
    'headrace configs unset topic/orders retention.ms',
    'headrace topics alter orders --partitions 3',
    'headrace brokers list',
  ],
  '\n## When something is wrong\n',
  [
    'headrace consume oders; echo "exit code $?"',
    'headrace topics create orders',
    'headrace groups reset-offsets billing --to-latest; echo "exit code $?"',
    'headrace topics list --bootstrap-server 127.0.0.1:1',
  ],
  '\n## Removing\n',
  ['headrace groups delete billing', 'headrace topics delete orders', 'headrace topics list --json'],
  `
## All commands

${COMMANDS.filter(({ isHidden }) => isHidden !== true)
  .map(({ name, description }) => `- \`${name}\`: ${description}`)
  .join('\n')}

\`source <(headrace completion bash)\` makes the shell complete commands, options, and the names of topics, groups and
contexts; zsh and fish likewise.
`,
];

const FILES: Readonly<Record<string, string>> = {
  'orders.csv': 'id,item,price\no-1,lamp,30\no-2,"table, round",120\no-3,lamp,28\n',
  'more.json': '{"id":"o-4","item":"chair","price":45}\n{"id":"o-5","item":"lamp","price":33}\n',
};

/** The page as it is right now. */
export async function cliPage(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-cli-docs-'));
  const headrace = await Headrace.start();
  try {
    const run = runner(folder, headrace.port);
    let page = '';
    for (const part of PARTS) {
      if (typeof part === 'string') page += part;
      else {
        const outputs: string[] = [];
        for (const command of part) outputs.push(`$ ${command}\n${await run(command)}`);
        page += `\n\`\`\`console\n${outputs.join('')}\`\`\`\n`;
      }
    }
    return page;
  } finally {
    await headrace.stop();
    rmSync(folder, { recursive: true });
  }
}

function runner(folder: string, port: number): (command: string) => Promise<string> {
  const bin = join(folder, 'bin');
  const work = join(folder, 'work');
  for (const one of [bin, work]) mkdirSync(one);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(work, name), text);
  const program = join(ROOT, 'bin', 'headrace.ts');
  writeFileSync(join(bin, 'headrace'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(join(bin, 'headrace'), 0o755);
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env['PATH']}`,
    XDG_CONFIG_HOME: folder,
    HEADRACE_CONTEXT: '',
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(folder, 'cache'),
  };
  return (command) =>
    new Promise((done) => {
      const script = `{ ${command.replaceAll('127.0.0.1:9092', `127.0.0.1:${port}`)}\n} 2>&1`;
      execFile('sh', ['-c', script], { cwd: work, env }, (_, output) =>
        done(withExamples(output, { folder, port })),
      );
    });
}

/** What no two runs have in common. */
function withExamples(
  output: string,
  { folder, port }: { readonly folder: string; readonly port: number },
): string {
  return output
    .replaceAll(folder, '/home/ada/.config')
    .replaceAll(new RegExp(`127\\.0\\.0\\.1:${port}\\b *`, 'g'), '127.0.0.1:9092   ')
    .replaceAll(/ +$/gm, '')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '2026-01-31T12:00:00.000Z')
    .replaceAll(/"timestamp":\d{13}/g, '"timestamp":1769860800000')
    .replaceAll(/\b(id|cluster) [\w-]{22}(?=\n)/g, '$1 6PZ1xJvWQ0mSkqYcT3nE9g');
}

if (import.meta.main) writeFileSync(CLI_PAGE, await cliPage());
