/** Which worlds a test looks at, and how it says that one of them was not as it should be. */
import { spawnSync } from 'node:child_process';
import type { Anomaly } from './history.ts';

const SEEDS = 1_000_000_000;
const SEED_WITHOUT_GIT = 20_260_101;

/**
 * Where the new worlds begin. With CI=true the commit says it, so that what has passed for a commit passes again; a new
 * commit sees new worlds. Elsewhere chance does.
 */
export function firstNewSeed(): number {
  if (process.env['CI'] !== 'true') return Math.floor(Math.random() * SEEDS);
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' });
  const hash = /^[0-9a-f]{40,64}$/.exec((stdout ?? '').trim())?.[0];
  return hash === undefined ? SEED_WITHOUT_GIT : Number.parseInt(hash.slice(0, 12), 16) % SEEDS;
}

export interface Judged {
  readonly seed: string;
  readonly plan: string;
  readonly anomalies: readonly Anomaly[];
}

/**
 * Throws unless all was well. How to see it again comes last, where it is not missed: a stack would only hide it.
 * `flags`: what scripts/sim.ts needs to make worlds of this kind.
 */
export function mustBeFine(reports: readonly Judged[], flags = ''): void {
  const bad = reports.filter(({ anomalies }) => anomalies.length > 0);
  if (bad.length === 0) return;
  const again = bad.map(({ seed }) => `again: node scripts/sim.ts${flags} ${seed} -v`);
  const error = new Error([...bad.map(describe), ...again].join('\n'));
  error.stack = error.message;
  throw error;
}

function describe({ seed, plan, anomalies }: Judged): string {
  const what = anomalies.slice(0, 10).map(({ kind, what, atMs }) => `  at ${atMs} ms ${kind}: ${what}`);
  return [`seed ${seed}: ${plan}`, ...what].join('\n');
}
