/** The architecture as a test: who may import whom, where the real world may be touched, and the size of things. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/** What each folder of src/ may import. Think hard before adding an edge: the table is the architecture. */
const CORE = ['base', 'protocol'];
const SERVER = [
  ...CORE,
  'rpc',
  'log',
  'metadata',
  'coordinator',
  'security',
  'groups',
  'transactions',
  'replication',
];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  protocol: ['base'],
  rpc: CORE,
  log: CORE,
  coordinator: CORE,
  metadata: [...CORE, 'rpc'],
  security: [...CORE, 'metadata'],
  groups: [...CORE, 'metadata', 'coordinator'],
  transactions: [...CORE, 'metadata', 'coordinator'],
  replication: [...CORE, 'metadata', 'log', 'rpc'],
  broker: SERVER,
  client: [...CORE, 'rpc'],
  streams: [...CORE, 'client'],
  connect: [...CORE, 'client'],
  registry: [...CORE, 'client'],
  gateway: [...CORE, 'client'],
  console: [...CORE, 'client'],
  cli: [...CORE, 'client'],
  kafkajs: [...CORE, 'client'],
  runtime: ['base'],
  testing: [...SERVER, 'broker', 'runtime', 'client'],
};
/** Chooses the real ports for users who do not hand in others. */
const CHOOSES_PORTS: ReadonlySet<string> = new Set([path.join('src', 'client', 'real-ports.ts')]);
/** Time, chance and I/O are handed in; only these folders touch the real ones. */
const IMPURE = new Set(['runtime', 'testing']);
const AMBIENT =
  /\b(Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|setImmediate|process\.nextTick|performance\.now|process\.hrtime|randomBytes|randomUUID)\b|from 'node:(fs|fs\/promises|net|tls|dgram|http|https|http2|worker_threads|child_process|timers|timers\/promises)'/;
/** The one file that may make code from strings (decision 16 of the design). */
const COMPILER = path.join('src', 'protocol', 'compile.ts');
const FILE_LINES_MAX = 800;
const LINE_LENGTH_MAX = 130;

interface Source {
  readonly file: string;
  readonly text: string;
}

const read = (globs: string[]): Source[] =>
  globSync(globs).map((file) => ({ file, text: readFileSync(file, 'utf8') }));
const all = read(['{src,bin,test,scripts,bench}/**/*.ts']);
const source = all.filter(({ file }) => file.startsWith('src'));
/** Tests, and what only tests import: contracts that several implementations pass, clients for tests. */
const isTest = (file: string): boolean => /\.test\.ts$|-contract\.ts$|(^|[\\/])test-[^\\/]*\.ts$/.test(file);
const layerOf = (file: string): string => file.split(path.sep)[1];
/** Comments may mention what code may not do. */
const codeOf = (text: string): string => text.replace(/\/\*[^]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');

function imports({ file, text }: Source): string[] {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map(
    (match) => match[1],
  );
  return specifiers.map((specifier) => path.normalize(path.join(path.dirname(file), specifier)));
}

test('every import in src follows the layer table', () => {
  const faults: string[] = [];
  for (const one of source) {
    const layer = layerOf(one.file);
    if (MAY_IMPORT[layer] === undefined) faults.push(`${one.file}: the layer ${layer} is not in the table`);
    for (const target of imports(one)) {
      const to = layerOf(target);
      const isAllowed =
        to === layer ||
        MAY_IMPORT[layer]?.includes(to) ||
        (to === 'runtime' && CHOOSES_PORTS.has(one.file)) ||
        (isTest(one.file) && !IMPURE.has(layer));
      if (!isAllowed) faults.push(`${one.file}: ${layer} may not import ${to}`);
    }
  }
  assert.deepEqual(faults, []);
});

test('time, chance and I/O are touched by the runtime alone', () => {
  const faults = source
    .filter(({ file }) => !IMPURE.has(layerOf(file)) && !isTest(file))
    .flatMap(({ file, text }) => {
      const found = AMBIENT.exec(codeOf(text));
      return found === null ? [] : [`${file}: ${found[0]}`];
    });
  assert.deepEqual(faults, []);
});

test('code is made from strings by the codec compiler alone', () => {
  const makesCode = /\bnew Function\b|\beval\(|from 'node:vm'/;
  const found = source.filter(({ file, text }) => !isTest(file) && makesCode.test(codeOf(text)));
  assert.deepEqual(
    found.map(({ file }) => file),
    [COMPILER],
  );
});

test('every file is imported by another, is a test, or is an entry', () => {
  const reached = new Set(all.flatMap(imports));
  const packageJson = readFileSync('package.json', 'utf8');
  const lost = source
    .map(({ file }) => file)
    .filter(
      (file) => !reached.has(file) && !isTest(file) && !packageJson.includes(file.replaceAll(path.sep, '/')),
    );
  assert.deepEqual(lost, []);
});

test('files and lines keep their size, names say what is inside', () => {
  const faults: string[] = [];
  for (const { file, text } of all) {
    const lines = text.split('\n');
    if (lines.length > FILE_LINES_MAX && !isTest(file)) faults.push(`${file}: ${lines.length} lines`);
    const long = lines.findIndex((line) => line.length > LINE_LENGTH_MAX && !line.includes('http'));
    if (long >= 0) faults.push(`${file}:${long + 1}: ${lines[long].length} characters`);
    if (/(^|\/)(index|utils|util|common|misc|helpers|manager)\.ts$/.test(file.replaceAll(path.sep, '/'))) {
      faults.push(`${file}: a name that says nothing`);
    }
    if (!isTest(file) && !/^(#!.*\n)?\/\*\*|^(#!.*\n)?\/\//.test(text))
      faults.push(`${file}: begins without a word on what it holds`);
  }
  assert.deepEqual(faults, []);
});

test('nothing is left to do, skipped or only-ed', () => {
  const marks = /\b(TODO|FIXME|XXX)\b|\b(it|test|describe)\.(skip|only|todo)\b|\{\s*(skip|todo|only): *true/;
  const found = all.filter(({ file, text }) => !file.endsWith('tidy.test.ts') && marks.test(text));
  assert.deepEqual(
    found.map(({ file }) => file),
    [],
  );
});
