// Transactions under kill and pause: real clients write, move and read in transactions, fence each other and are themselves
// killed and paused; then everything is read, and the history of all of them is checked (test/workload).
// HEADRACE_WORKLOAD_SECONDS, _SEED and _PAUSE_MS (of a writer between two transactions) set how long, what and how fast;
// HEADRACE_WORKLOAD_CLIENTS which libraries take part (java, librdkafka, headrace; the first one may not be librdkafka);
// HEADRACE_WORKLOAD_KEEP names a folder in which the histories stay.
// Kafka itself is only paused (target.ts says why); HEADRACE_WORKLOAD_KILLS=true shows what it loses, with any client.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { installKafkaClients } from '../../scripts/peer-java.ts';
import { checkHistory, summary } from '../workload/checks.ts';
import { installPython } from '../../scripts/peer-python.ts';
import { startHeadrace } from './headrace-process.ts';
import { startJava } from './java-peer.ts';
import { obtain } from './peer.ts';
import type { ProcessPeer } from './process-peer.ts';
import { startPython } from './python-peer.ts';
import { served } from './served.ts';
import { KEEPS_TRANSACTIONS_WHEN_KILLED, LONG_SESSION, startTarget } from './target.ts';
import { EXPIRY_INTERVAL_MS, runWorkload, TRANSACTION_TIMEOUTS_MS } from './workload.ts';

const SECONDS = Number(process.env['HEADRACE_WORKLOAD_SECONDS'] ?? 20);
const SEED = process.env['HEADRACE_WORKLOAD_SEED'] ?? String(Date.now());
const PAUSE_MS = Number(process.env['HEADRACE_WORKLOAD_PAUSE_MS'] ?? 30);
/** Java and Headrace speak transactions of version 2, librdkafka those of version 1. */
const CLIENTS = (process.env['HEADRACE_WORKLOAD_CLIENTS'] ?? 'java,librdkafka,headrace').split(',');
const KILLS = (process.env['HEADRACE_WORKLOAD_KILLS'] ?? String(KEEPS_TRANSACTIONS_WHEN_KILLED)) === 'true';
const KEEP = process.env['HEADRACE_WORKLOAD_KEEP'];
/** A write may stay unread for as long as another transaction is open; the rest is for a busy machine. */
const LAG_MS_MAX = Math.max(...TRANSACTION_TIMEOUTS_MS) + EXPIRY_INTERVAL_MS + 15_000;

const { installed, skip } = await obtain(async () => ({
  clients: CLIENTS.includes('java') ? await installKafkaClients() : undefined,
  python: CLIENTS.includes('librdkafka') ? await installPython() : undefined,
}));
const serves = await served();
const START: Readonly<Record<string, (bootstrap: string) => Promise<ProcessPeer>>> = {
  java: (bootstrap) => startJava(installed!.clients!, bootstrap),
  librdkafka: (bootstrap) => startPython({ python: installed!.python!, client: 'confluent' }, bootstrap),
  headrace: startHeadrace,
};

if (serves('transactions', 'transactions under kill and pause')) {
  test(
    `${SECONDS} s of transactions under kill and pause, seed ${SEED}: no anomaly`,
    { skip: skip ?? false },
    async (t) => {
      const folder = KEEP ?? mkdtempSync(join(tmpdir(), 'workload-'));
      const target = await startTarget({
        settings: {
          'transaction.abort.timed.out.transaction.cleanup.interval.ms': String(EXPIRY_INTERVAL_MS),
          ...(KILLS ? {} : LONG_SESSION),
        },
      });
      try {
        const { lines, faults } = await runWorkload({
          seconds: SECONDS,
          seed: SEED,
          pauseMs: PAUSE_MS,
          kills: KILLS,
          target,
          folder,
          clients: CLIENTS.map((name) => ({ name, start: START[name]! })),
          say: (what) => t.diagnostic(what),
        });
        const { anomalies, counts } = checkHistory(lines, { lagMsMax: LAG_MS_MAX });
        t.diagnostic(`${lines.length} lines, ${JSON.stringify(counts)}, faults ${JSON.stringify(faults)}`);
        assert.deepEqual(summary(anomalies), [], target.log().slice(-3000));
        assert.ok(counts.committed > SECONDS, `only ${counts.committed} transactions were committed`);
        assert.ok(counts.withOffsets > 0, 'nothing was moved');
      } finally {
        await target.discard();
        if (KEEP === undefined) rmSync(folder, { recursive: true });
      }
    },
  );
}
