/**
 * `node scripts/sim.ts SEED [COUNT]`: runs one simulated world, or COUNT of them from the number SEED on, and says what
 * happened in them. `-v` also prints the broker's log. Exit code 1 when anything was promised and not kept.
 */
import { createLogger } from '../src/runtime/logger.ts';
import { simulate } from '../test/sim/world.ts';

const args = process.argv.slice(2).filter((arg) => arg !== '-v');
const isVerbose = process.argv.includes('-v');
const [first = '1', count = '1'] = args;
const total = { worlds: 0, bad: 0, faults: 0, lives: 0, sent: 0, acked: 0, seen: 0, virtualMs: 0 };
for (let index = 0; index < Number(count); index++) {
  const seed = Number(count) === 1 ? first : String(Number(first) + index);
  const report = await simulate(seed, isVerbose ? { logger: createLogger({ level: 'debug' }) } : {});
  const { anomalies, counts, faults } = report;
  total.worlds += 1;
  total.bad += anomalies.length > 0 ? 1 : 0;
  total.faults += Object.values(faults).reduce((sum, one) => sum + one, 0);
  total.lives += report.lives;
  total.sent += counts.sent;
  total.acked += counts.acked;
  total.seen += counts.seen;
  total.virtualMs += report.virtualMs;
  if (anomalies.length === 0 && Number(count) > 1) continue;
  console.log(`seed ${seed}: ${report.plan}`);
  console.log(`  trace ${report.traceHash}, ${Math.round(report.virtualMs / 1000)} s, ${report.lives} lives`);
  console.log(`  ${JSON.stringify(faults)} ${JSON.stringify(counts)}`);
  if (Number(count) === 1)
    for (const [what, times] of [...report.answers].sort()) console.log(`    ${what}: ${times}`);
  for (const { kind, what, atMs } of anomalies.slice(0, 10))
    console.log(`  ANOMALY at ${atMs} ms: ${kind}: ${what}`);
}
console.log(JSON.stringify(total));
process.exitCode = total.bad === 0 ? 0 : 1;
