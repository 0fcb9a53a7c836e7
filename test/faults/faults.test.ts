// Three brokers, etcd and clients on hosts of their own (network namespaces), under faults at random, one and two at a time;
// then everything is read, and the history of all clients is checked (test/workload).
// HEADRACE_FAULTS_SECONDS, _SEED and _PAUSE_MS (of each thread of a client between two operations) set how long, what and how
// fast; _KINDS names the faults that take part (test/faults/kinds; all of them in a long run), _STORES the members of etcd,
// _SESSION_MS the session of a broker, _REST_MS the longest pause between two rounds of faults;
// _LIBRARIES names whose clients take part (java, librdkafka, headrace; the first one also observes, and may not be
// librdkafka): with headrace alone no other program's client is needed. Default: java,librdkafka, and unless _SECONDS is given,
// another short run with Headrace's own client in every role.
// _KEEP=true leaves logs and histories where they are.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { installEtcd } from '../../scripts/peer-etcd.ts';
import { installKafkaClients } from '../../scripts/peer-java.ts';
import { installPython } from '../../scripts/peer-python.ts';
import { obtain } from '../interop/peer.ts';
import { summary } from '../workload/checks.ts';
import { librariesOf, type Library } from './clients.ts';
import { unmountBelow } from './disks.ts';
import type { Outcome, Plan } from './drive.ts';
import { firstNewSeed } from '../sim/seeds.ts';
import { FAULTS } from './kinds.ts';
import { makeFolder, prepareMachine } from './machine.ts';
import { enter, hostOf, makeNetwork, removeNetwork } from './network.ts';
import { report } from './report.ts';

const { env } = process;
const RUNS = [
  { libraries: librariesOf(env['HEADRACE_FAULTS_LIBRARIES'] ?? 'java,librdkafka'), secondsDefault: 20 },
];
if (env['HEADRACE_FAULTS_LIBRARIES'] === undefined && env['HEADRACE_FAULTS_SECONDS'] === undefined) {
  RUNS.push({ libraries: librariesOf('headrace'), secondsDefault: 10 });
}
const SECONDS_LONG = 120;
const SEED = env['HEADRACE_FAULTS_SEED'] ?? String(firstNewSeed());
const PAUSE_MS = Number(env['HEADRACE_FAULTS_PAUSE_MS'] ?? 80);
const SESSION_MS = Number(env['HEADRACE_FAULTS_SESSION_MS'] ?? 4_000);
const REST_MS_MAX = Number(env['HEADRACE_FAULTS_REST_MS'] ?? 2_000);
const SHORT_KINDS = [
  'kill',
  'pause',
  'isolate-but-clients',
  'power-cut-of-all',
  'late-requests',
  'corrupt-log',
];
const KEEP = env['HEADRACE_FAULTS_KEEP'] === 'true';
/** Start, the end of all clients, and reading it all. */
const AROUND_MS_MAX = 10 * 60_000;
const RECORDS_MIN = 100;
const MEMORY_MB_MAX = 8_192;

let folder: string | undefined;
let drive: ChildProcess | undefined;

/** Also after a signal: nothing stays. */
function clear(): void {
  drive?.kill('SIGKILL');
  removeNetwork(process.pid);
  if (folder === undefined) return;
  unmountBelow(folder);
  if (!KEEP) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
}
process.on('exit', clear);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

const areUsed = (library: Library): boolean => RUNS.some(({ libraries }) => libraries.includes(library));
const machine = await obtain(async () => ({ ...(await prepareMachine()), etcd: await installEtcd() }));
const foreign = await obtain(async () => ({
  java: areUsed('java') ? await installKafkaClients() : undefined,
  python: areUsed('librdkafka') ? await installPython() : undefined,
}));

for (const { libraries, secondsDefault } of RUNS) {
  const seconds = Number(env['HEADRACE_FAULTS_SECONDS'] ?? secondsDefault);
  const isOwn = libraries.every((library) => library === 'headrace');
  test(
    `${seconds} s of faults in a cluster of three, seed ${SEED}, with clients of ${libraries.join(' and ')}: ` +
      'nothing is lost, doubled or out of order, and all heals',
    {
      skip: machine.skip ?? (isOwn ? undefined : foreign.skip) ?? false,
      timeout: seconds * 1000 + AROUND_MS_MAX,
    },
    async (t) => {
      try {
        await run(t, { ...machine.installed!, ...foreign.installed, libraries, seconds });
      } finally {
        clear();
      }
    },
  );
}

async function run(
  t: TestContext,
  given: Pick<Plan, 'clockLibrary' | 'etcd' | 'java' | 'python' | 'libraries' | 'seconds'>,
): Promise<void> {
  const isLong = given.seconds > SECONDS_LONG;
  folder = makeFolder(KEEP);
  const host = (name: string, number: number) => hostOf(process.pid, [name, number]);
  const brokers = [1, 2, 3].map((id) => host(`b${id}`, 10 + id));
  const storeCount = Number(env['HEADRACE_FAULTS_STORES'] ?? (isLong ? 3 : 1));
  const stores = Array.from({ length: storeCount }, (_, index) => host(`e${index + 1}`, 21 + index));
  const client = host('c', 100);
  makeNetwork(process.pid, [...brokers, ...stores, client]);
  const kinds = env['HEADRACE_FAULTS_KINDS']?.split(',') ?? (isLong ? Object.keys(FAULTS) : SHORT_KINDS);
  const unknown = kinds.filter((kind) => FAULTS[kind] === undefined);
  assert.deepEqual(unknown, [], `kinds are ${Object.keys(FAULTS).join(', ')}`);
  const plan: Plan = {
    ...given,
    seed: SEED,
    pauseMs: PAUSE_MS,
    sessionMs: SESSION_MS,
    restMsMax: REST_MS_MAX,
    kinds,
    isEachReplicaRead: isLong,
    folder,
    brokers,
    stores,
    client,
  };
  const path = join(folder, 'plan.json');
  writeFileSync(path, JSON.stringify(plan));
  t.diagnostic(`seed ${SEED}, in ${folder}`);
  const command = [
    process.execPath,
    `--max-old-space-size=${MEMORY_MB_MAX}`,
    join(import.meta.dirname, 'drive.ts'),
    path,
  ];
  drive = spawn('nsenter', [...enter(client), ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  drive.stdout!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-100_000);
    if (isLong || KEEP) process.stdout.write(text);
  });
  const [code] = (await once(drive, 'exit')) as [number | null];
  assert.equal(code, 0, said);
  const outcome = JSON.parse(readFileSync(join(folder, 'outcome.json'), 'utf8')) as Outcome;
  for (const line of report(outcome)) t.diagnostic(line);
  assert.deepEqual(summary(outcome.anomalies), [], said);
  // However slow the machine was, a run in which nothing was done says nothing.
  assert.ok(outcome.rounds.length > 0, 'there was no fault');
  assert.ok(outcome.acknowledged > RECORDS_MIN, `only ${outcome.acknowledged} records were acknowledged`);
  assert.ok(outcome.counts['committed']! > 0, 'no transaction was committed');
}
