// The broker is ended and started again under a running idempotent producer with acks=all and a consumer that reads
// along, Java's and librdkafka's: nothing acknowledged is lost, nothing is there twice, and committed offsets stay.
// HEADRACE_KILL_ROUNDS and HEADRACE_STOP_ROUNDS set how often.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installKafkaClients, installKafkaTools } from '../../scripts/peer-java.ts';
import { installPython } from '../../scripts/peer-python.ts';
import { startJava } from './java-peer.ts';
import { inspectSegments, kafkaTools } from './java-tools.ts';
import { obtain } from './peer.ts';
import type { ProcessPeer } from './process-peer.ts';
import { startPython } from './python-peer.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

const KILL_ROUNDS = Number(process.env['HEADRACE_KILL_ROUNDS'] ?? 5);
const STOP_ROUNDS = Number(process.env['HEADRACE_STOP_ROUNDS'] ?? 2);
const PARTITIONS = 3;
const RECORDS_BETWEEN = 400;

const { installed, skip } = await obtain(async () => ({
  clients: await installKafkaClients(),
  tools: await installKafkaTools(),
  python: await installPython(),
}));

type Start = (bootstrap: string) => Promise<ProcessPeer>;
const java: Start = (bootstrap) => startJava(installed!.clients, bootstrap);
const librdkafka: Start = (bootstrap) =>
  startPython({ python: installed!.python, client: 'confluent' }, bootstrap);
const stop = (target: Target): Promise<void> => target.stop();
const kill = (target: Target): Promise<void> => target.kill();

for (const { signal, client, rounds, end, start } of [
  { signal: 'SIGTERM', client: 'Java', rounds: STOP_ROUNDS, end: stop, start: java },
  { signal: 'SIGKILL', client: 'Java', rounds: KILL_ROUNDS, end: kill, start: java },
  { signal: 'SIGKILL', client: 'librdkafka', rounds: KILL_ROUNDS, end: kill, start: librdkafka },
]) {
  test(
    `${rounds} times ${signal} under ${client}: nothing acknowledged is lost or there twice`,
    { skip: skip ?? false },
    async (t) => {
      const target = await startTarget();
      const peer = await start(target.bootstrap);
      try {
        await peer.createTopic('flow', PARTITIONS, {});
        await peer.call('flowStart', { topic: 'flow', partitions: PARTITIONS });
        let wanted = 0;
        const flows = async (): Promise<void> => {
          let state = '';
          wanted += RECORDS_BETWEEN;
          await until(
            `${wanted} records are acknowledged`,
            async () => {
              const now = await peer.call('flowState', {});
              state = JSON.stringify(now);
              assert.deepEqual(now.faults, [], target.log());
              if (now.acknowledged < wanted) return false;
              wanted = now.acknowledged;
              return true;
            },
            { seen: () => `${state}\n${target.log().slice(-3000)}` },
          );
        };
        await flows();
        for (let round = 1; round <= rounds; round += 1) {
          await peer.commit('rounds', 'flow', [{ partition: 0, offset: round, metadata: `round ${round}` }]);
          await end(target);
          const restartedAt = Date.now();
          await target.restart();
          t.diagnostic(`round ${round}: ready again after ${Date.now() - restartedAt} ms`);
          await flows();
          assert.deepEqual(await peer.call('flowMissing', {}), []);
          assert.deepEqual(await peer.committed('rounds', 'flow'), [
            { partition: 0, offset: round, metadata: `round ${round}` },
          ]);
        }
        const { missing, state } = await peer.call('flowStop', {});
        assert.deepEqual(missing, []);
        assert.deepEqual(state.faults, []);
        assert.equal(state.acknowledged, state.sent);
        assert.equal(state.seen, state.sent);
        t.diagnostic(`${state.sent} records sent, acknowledged and seen`);
        await target.stop();
        const { faults } = await inspectSegments(kafkaTools(installed!.tools), target.dataDir);
        assert.deepEqual(faults, []);
      } finally {
        await peer.close();
        await target.discard();
      }
    },
  );
}
