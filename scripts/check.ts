/** `npm run check`: types, lint, format and the tidy rules, one after the other; all of them run even if one fails. */
import { spawnSync } from 'node:child_process';

const STEPS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc', '--noEmit', '-p', 'tsconfig.json'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings', 'src', 'bin', 'test', 'scripts', 'bench'],
  ['format', 'oxfmt', '--check', 'src', 'bin', 'test', 'scripts', 'bench'],
  ['tidy', 'node', '--test', '--test-reporter=dot', 'test/tidy.test.ts'],
];

let failed = 0;
for (const [name, command, ...args] of STEPS) {
  const binary = command === 'node' ? process.execPath : `node_modules/.bin/${command}`;
  const { status, error } = spawnSync(binary, args, {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  const isFine = error === undefined && status === 0;
  console.log(`${isFine ? 'ok  ' : 'FAIL'} ${name}`);
  if (!isFine) failed++;
}
process.exitCode = failed === 0 ? 0 : 1;
