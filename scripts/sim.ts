/**
 * `node scripts/sim.ts SEED [COUNT]`: runs one simulated world, or COUNT of them from the number SEED on, and says what
 * happened in them. `-t`: worlds of transactions. `-c`: clusters; `-w=NAME` takes away one of the rules that keep them safe
 * (test/sim/cluster/weakenings.ts), and stops at the first world that shows it. `-v` also prints the broker's log. Exit code
 * 1 when anything was promised and not kept.
 */
import { createLogger } from '../src/runtime/logger.ts';
import { simulateCluster } from '../test/sim/cluster/world.ts';
import { WEAKENINGS } from '../test/sim/cluster/weakenings.ts';
import { simulateTransactions } from '../test/sim/transactions/world.ts';
import { simulate } from '../test/sim/world.ts';

const args = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const isVerbose = process.argv.includes('-v');
const has = (flag: string): boolean => process.argv.includes(flag);
const run = has('-c') ? simulateCluster : has('-t') ? simulateTransactions : simulate;
const [first = '1', count = '1'] = args;
const weakening = process.argv.find((arg) => arg.startsWith('-w='))?.slice(3);
WEAKENINGS.find(({ name }) => name === weakening)?.plant({
  method: (target, name, implementation) => Object.assign(target, { [name]: implementation }),
});
const total: Record<string, number> = { worlds: 0, bad: 0, faults: 0, lives: 0, virtualMs: 0 };
const add = (name: string, number: number): void => {
  total[name] = (total[name] ?? 0) + number;
};
for (let index = 0; index < Number(count); index++) {
  const seed = Number(count) === 1 ? first : String(Number(first) + index);
  const report = await run(seed, isVerbose ? { logger: createLogger({ level: 'debug' }) } : {});
  const { anomalies, counts, faults } = report;
  add('worlds', 1);
  add('bad', anomalies.length > 0 ? 1 : 0);
  for (const times of Object.values(faults)) add('faults', times);
  add('lives', report.lives);
  for (const [name, number] of Object.entries(counts)) add(name, number);
  add('virtualMs', report.virtualMs);
  if (anomalies.length === 0 && Number(count) > 1) continue;
  console.log(`seed ${seed}: ${report.plan}`);
  console.log(`  trace ${report.traceHash}, ${Math.round(report.virtualMs / 1000)} s, ${report.lives} lives`);
  console.log(`  ${JSON.stringify(faults)} ${JSON.stringify(counts)}`);
  if (Number(count) === 1)
    for (const [what, times] of [...report.answers].sort()) console.log(`    ${what}: ${times}`);
  for (const { kind, what, atMs } of anomalies.slice(0, 10))
    console.log(`  ANOMALY at ${atMs} ms: ${kind}: ${what}`);
  if (weakening !== undefined && anomalies.length > 0) break;
}
console.log(JSON.stringify(total));
process.exitCode = total['bad'] === 0 ? 0 : 1;
