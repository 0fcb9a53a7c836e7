/** `node test/workload/check.ts FILE...`: checks histories that a run has left. */
import { checkHistory, summary } from './checks.ts';
import { readHistory } from './history.ts';

const LAG_MS_MAX = 30_000;

const { anomalies, counts } = checkHistory(await readHistory(process.argv.slice(2)), {
  lagMsMax: LAG_MS_MAX,
});
console.log(JSON.stringify(counts));
for (const line of summary(anomalies)) console.log(line);
process.exitCode = anomalies.length === 0 ? 0 : 1;
