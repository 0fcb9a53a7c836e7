/**
 * `npm test [-- unit|peers|faults] [-- PATTERN...]`: every test, in three runs. `unit`: what needs nothing but this checkout.
 * `peers`: what is compared with Kafka itself or driven by foreign clients, which install themselves into a cache outside
 * the tree; where one cannot be had its tests say SKIP by name, and with CI=true that is a failure. `faults`: a cluster on
 * hosts of its own (network namespaces), which only root on Linux may make. What failed is said once more at the very end.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const RUNS = {
  unit: {
    globs: [
      'src/**/*.test.ts',
      'test/*.test.ts',
      'test/{sim,crash,hot-path,workload}/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    concurrency: 2,
  },
  // Foreign clients bring their own JVMs: one suite at a time, or they starve each other on a small machine.
  peers: { globs: ['test/{conformance,interop,cluster}/**/*.test.ts'], concurrency: 1 },
  faults: { globs: ['test/{faults,operations}/**/*.test.ts'], concurrency: 1 },
} as const;
const TEST_TIMEOUT_MS = 15 * 60_000;

const args = process.argv.slice(2);
const wanted = Object.keys(RUNS).filter((name) => args.includes(name)) as (keyof typeof RUNS)[];
const patterns = args.filter((arg) => !(arg in RUNS));
const folder = mkdtempSync(join(tmpdir(), 'headrace-test-'));
const failures: string[] = [];
let failed = false;
for (const name of wanted.length > 0 ? wanted : (Object.keys(RUNS) as (keyof typeof RUNS)[])) {
  const { globs, concurrency } = RUNS[name];
  const files = globSync([...globs]).filter((file) => patterns.every((part) => file.includes(part)));
  if (files.length === 0) continue;
  console.log(`\n${name}: ${files.length} files`);
  const { status } = spawnSync(
    process.execPath,
    [
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=./scripts/failures-reporter.ts',
      `--test-reporter-destination=${join(folder, name)}`,
      ...files.sort(),
    ],
    { stdio: 'inherit' },
  );
  failed ||= status !== 0;
  if (existsSync(join(folder, name))) failures.push(readFileSync(join(folder, name), 'utf8'));
}
rmSync(folder, { recursive: true });
if (failed) console.log(`\nfailed:\n${failures.join('')}`);
process.exitCode = failed ? 1 : 0;
