// The package as others get it: packed, installed by plain npm into an empty project, type-checked there, and tried as the README
// says. The sizes that are printed are of what was installed.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { cached, PeerMissing } from '../../scripts/peer-cache.ts';
import { obtain } from './peer.ts';
import { until } from './until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** What the package is made from. */
const SOURCES = [
  'src',
  'bin',
  'scripts',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
  'LICENSE',
];
const RUN_MS_MAX = 120_000;
const run = promisify(execFile);

const folder = mkdtempSync(join(tmpdir(), 'headrace-package-'));
const project = join(folder, 'project');
const installed = join(project, 'node_modules');
after(() => rmSync(folder, { recursive: true, force: true }));

/** Errors: PeerMissing when the registry has not what the package depends on. */
async function install(): Promise<string> {
  const checkout = join(folder, 'checkout');
  for (const name of SOURCES) cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'));
  const { stdout } = await run(process.execPath, ['scripts/package.ts', folder], { cwd: checkout });
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
  const path = stdout.trim();
  try {
    await run('npm', ['install', '--no-audit', '--no-fund', path], { cwd: project, timeout: RUN_MS_MAX });
  } catch (error) {
    throw new PeerMissing('headrace, as a package', error);
  }
  return path;
}

/** Of the examples for it. */
const VITEST = 'vitest@5.1.1';

const { skip } = await obtain(install);
const vitest = await obtain(() =>
  cached('vitest', [VITEST], async (into) => {
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', into, VITEST]);
  }),
);

/** A text's programs, by what they import. */
function programOf(specifier: string, file = 'README.md'): string {
  const readme = readFileSync(join(ROOT, file), 'utf8');
  const programs = [...readme.matchAll(/```ts\n([^]*?)```/g)].map(([, text]) => text!);
  const found = programs.filter((text) => text.includes(`'${specifier}'`));
  assert.equal(found.length, 1, `${file} has not one program with ${specifier}`);
  return found[0]!;
}

const bytesOf = (files: string[]): number => files.reduce((sum, file) => sum + statSync(file).size, 0);

describe('the package', { skip: skip ?? false }, () => {
  let bootstrap: string;
  let stop: () => Promise<void>;

  before(async () => {
    const data = ['--data', join(folder, 'data')];
    const child = spawn(
      process.execPath,
      [join(installed, '.bin', 'headrace'), 'start', '--port', '0', ...data],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    stop = async () => {
      const ended = new Promise<unknown>((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      assert.equal(await ended, 0);
    };
    bootstrap = await until('the broker is ready', () => /headrace ready on (\S+)/.exec(output)?.[1], {
      timeoutMs: 30_000,
      intervalMs: 20,
    });
  });
  after(() => stop?.());

  const program = (name: string, text: string): string => {
    const path = join(project, name);
    writeFileSync(path, text.replaceAll('localhost:9092', bootstrap));
    return path;
  };
  const output = async (path: string): Promise<string> => {
    const { stdout } = await run(process.execPath, [path], { cwd: project, timeout: RUN_MS_MAX });
    return stdout.trim();
  };

  test('has what is needed, and little else', () => {
    const files = globSync('**/*', { cwd: join(installed, 'headrace'), withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
    const kinds = new Set(files.map((name) => /\.d\.ts$|\.[a-z]+$|^[A-Z]+$/.exec(name)?.[0]));
    assert.deepEqual([...kinds].sort(), ['.d.ts', '.js', '.json', '.md', 'LICENSE']);
    const isForTests = /\.test\.|^test-|-contract\./;
    assert.deepEqual(
      files.filter((name) => isForTests.test(name)),
      [],
    );
    const manifests = globSync(['*/package.json', '@*/*/package.json'], { cwd: installed });
    const all = globSync('**/*', { cwd: installed, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const own = all.filter((file) => file.startsWith(join(installed, 'headrace')));
    const [dependencies, megabytes] = [manifests.length - 1, bytesOf(all) / 1e6];
    console.log(
      `installed: ${megabytes.toFixed(1)} MB, of which headrace ${(bytesOf(own) / 1e6).toFixed(1)} MB ` +
        `in ${own.length} files; ${dependencies} dependencies, direct and indirect`,
    );
    assert.ok(megabytes < 8, `${megabytes} MB`);
    assert.ok(dependencies < 25, `${dependencies} dependencies`);
  });

  test("the README's client works", async () => {
    assert.equal(await output(program('client.ts', programOf('headrace/client'))), 'ada: hello');
  });

  test("the README's broker inside a test works", async () => {
    assert.match(await output(program('testing.ts', programOf('headrace/testing'))), /^127\.0\.0\.1:\d+$/);
  });

  test('CommonJS gets the same classes, and the client loads none of what only the broker needs', async () => {
    const text = `
      const { Client } = require('headrace/client');
      const loaded = Object.keys(require.cache).filter((file) => /node_modules.(pino|commander)/.test(file));
      import('headrace').then((module) => console.log(module.Client === Client, loaded.length));
    `;
    assert.equal(await output(program('common.cjs', text)), 'true 0');
  });

  test('stands in for kafkajs where others ask for it, as the guide says', async () => {
    const guide = readFileSync(join(ROOT, 'docs', 'from-kafkajs.md'), 'utf8');
    const files = [...guide.matchAll(/```(?:json|js) (kafkajs\/\S+)\n([^]*?)```/g)];
    assert.equal(files.length, 2);
    mkdirSync(join(project, 'kafkajs'));
    for (const [, name, text] of files) writeFileSync(join(project, name!), text!);
    const options = ['--no-audit', '--no-fund', '--offline'];
    await run('npm', ['install', ...options, './kafkajs'], { cwd: project, timeout: RUN_MS_MAX });
    const text = `
      const { Kafka, logLevel } = require('kafkajs');
      const admin = new Kafka({ brokers: ['localhost:9092'], logLevel: logLevel.ERROR }).admin();
      const same = [require('headrace/kafkajs').Kafka === Kafka];
      Promise.all([import('kafkajs'), import('headrace/kafkajs'), admin.describeCluster()]).then(
        async ([stand, own, { brokers }]) => {
          same.push(stand.Kafka === Kafka, stand.default.Kafka === Kafka, own.Kafka === Kafka);
          console.log(...same, brokers.length);
          await admin.disconnect();
        },
      );
    `;
    assert.equal(await output(program('stand-in.cjs', text)), 'true true true true 1');
  });

  test('its types are whole, and tell wrong use', async () => {
    const wrong = `
      import { Client, type Admin, type ConsumerRecord } from 'headrace';
      import { Kafka, type EachMessagePayload } from 'headrace/kafkajs';
      import { Headrace } from 'headrace/testing';
      const client = new Client({ bootstrap: 'localhost:9092' });
      const admin: Admin = client.admin();
      const [made] = await admin.createTopics([{ topic: 'a', partitions: 2 }]);
      const id: string | null = made!.topicId;
      const ofRecord = ({ offset, value }: ConsumerRecord): [number, Buffer | null] => [offset, value];
      const kafka: Kafka = new Kafka({ brokers: ['localhost:9092'] });
      const handler = async ({ message: { offset } }: EachMessagePayload): Promise<void> => void offset.length;
      void kafka.consumer({ groupId: 'g' }).run({ eachMessage: handler });
      // @ts-expect-error messages have values
      void kafka.producer().send({ topic: 'a', messages: [{ key: 'k' }] });
      // @ts-expect-error offsets are text
      kafka.consumer({ groupId: 'g' }).seek({ topic: 'a', partition: 0, offset: 7 });
      // @ts-expect-error topics have names
      void admin.createTopics([{ partitions: 2 }]);
      // @ts-expect-error there is no such place
      void admin.listOffsets([{ topic: 'a', partition: 0, at: 'middle' }]);
      // @ts-expect-error settings are text, numbers or booleans
      void Headrace.start({ settings: { 'num.partitions': {} } });
      export { id, ofRecord };
    `;
    const files = [
      program('types.ts', wrong),
      program('client.ts', programOf('headrace/client')),
      program('testing.ts', programOf('headrace/testing')),
    ];
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'esnext',
      module: 'nodenext',
      typeRoots: [join(ROOT, 'node_modules', '@types')],
      types: ['node'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const tsc = join(ROOT, 'node_modules', '.bin', 'tsc');
    const { stdout } = await run(tsc, ['-p', project]).catch((error: { stdout: string }) => error);
    assert.equal(stdout, '');
  });

  test("the guide's example for node:test works", async () => {
    const path = program('guide.test.ts', programOf('node:test', 'docs/testing.md'));
    // A test runner below this one reports to it otherwise.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const options = { cwd: project, timeout: RUN_MS_MAX, env };
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', path], options);
    assert.match(stdout, /^# pass 3$/m);
  });

  test("the guide's example for vitest works", { skip: vitest.skip ?? false }, async () => {
    symlinkSync(join(vitest.installed!, 'node_modules', 'vitest'), join(installed, 'vitest'));
    program('vitest.config.js', "export default { test: { include: ['vitest.test.ts'] } };");
    program('vitest.test.ts', programOf('vitest', 'docs/testing.md'));
    const { stdout } = await run(process.execPath, [join(installed, 'vitest', 'vitest.mjs'), 'run'], {
      cwd: project,
      timeout: RUN_MS_MAX,
      env: { ...process.env, NO_COLOR: '1' },
    });
    assert.match(stdout, /Tests +1 passed/);
  });
});
