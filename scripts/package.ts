/**
 * `npm run package [-- FOLDER]`: makes what is published. Node runs no TypeScript from node_modules, so sources are compiled to
 * dist/ (JavaScript, and the declarations of what can be imported), a package of its own: its package.json has the
 * dependencies of an installed Headrace, without the Node that a checkout brings along. Then `npm pack` of that folder.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
/** What brings the pinned Node into a checkout. Whoever installs the package has one. */
const NODE_PACKAGE = /^node(-bin)?-(darwin|linux|win)/;

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly scripts?: unknown;
  readonly devDependencies?: unknown;
  readonly private?: unknown;
}

rmSync(DIST, { recursive: true, force: true });
const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json'], {
  cwd: ROOT,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (status !== 0) throw new Error('the compiler found faults');

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
const { scripts: _, devDependencies: __, private: ___, ...kept } = manifest;
const compiled = (path: string): string => path.replace(/\.ts$/, '');
const entries = Object.values(manifest.exports).map((path) => join(DIST, `${compiled(path)}.d.ts`));

nameCompiledFiles();
dropUnreachable(entries);
chmodSync(join(DIST, 'bin', 'program.js'), 0o755);
for (const file of ['README.md', 'LICENSE']) cpSync(join(ROOT, file), join(DIST, file));
writeFileSync(
  join(DIST, 'package.json'),
  `${JSON.stringify(
    {
      ...kept,
      bin: { headrace: './bin/program.js' },
      exports: {
        ...Object.fromEntries(
          Object.entries(manifest.exports).map(([name, path]) => [
            name,
            { types: `${compiled(path)}.d.ts`, default: `${compiled(path)}.js` },
          ]),
        ),
        './package.json': './package.json',
      },
      optionalDependencies: Object.fromEntries(
        Object.entries(manifest.optionalDependencies).filter(([name]) => !NODE_PACKAGE.test(name)),
      ),
    },
    null,
    2,
  )}\n`,
);
const into = resolve(process.argv[2] ?? ROOT);
const packed = execFileSync('npm', ['pack', '--silent', DIST, '--pack-destination', into], {
  cwd: DIST,
  encoding: 'utf8',
  shell: process.platform === 'win32',
});
console.log(join(into, packed.trim()));

/** What the compiler leaves: specifiers in declarations, and files that are named where they are started as threads. */
function nameCompiledFiles(): void {
  for (const file of globSync(join(DIST, '**', '*.{js,d.ts}'))) {
    const text = readFileSync(file, 'utf8');
    const isDeclaration = file.endsWith('.d.ts');
    const named = isDeclaration
      ? text.replace(/((?:from|import)\s*\(?\s*["']\.{1,2}\/[^"']+)\.ts(["'])/g, '$1.js$2')
      : text.replace(/((?:new URL\(|import\.meta\.dirname, )["'][^"']+)\.ts(["'])/g, '$1.js$2');
    const left = /["'][\w./-]+(?<!\.d)\.ts["']/.exec(named);
    if (left !== null) throw new Error(`${relative(DIST, file)} still names ${left[0]}`);
    if (named !== text) writeFileSync(file, named);
  }
}

/** Removes the declarations that nobody can import, neither directly nor through another. */
function dropUnreachable(from: readonly string[]): void {
  const reached = new Set<string>();
  const open = [...from];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    for (const [, specifier] of readFileSync(file, 'utf8').matchAll(/["'](\.{1,2}\/[^"']+)\.js["']/g)) {
      open.push(join(dirname(file), `${specifier}.d.ts`));
    }
  }
  for (const file of globSync(join(DIST, '**', '*.d.ts'))) if (!reached.has(file)) rmSync(file);
}
