// Transactions of Kafka's Java client, of two versions, call by call: what each isolation level sees and where it ends,
// fencing, timeouts, offsets in transactions, and a restart in the middle.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  installKafkaClients,
  installKafkaTools,
  KAFKA_CLIENTS_VERSION,
  KAFKA_TOOLS_VERSION,
} from '../../scripts/peer-java.ts';
import { startJava } from './java-peer.ts';
import { filesBelow, inspectSegments, kafkaTools } from './java-tools.ts';
import { obtain } from './peer.ts';
import type { ProcessPeer } from './process-peer.ts';
import { served } from './served.ts';
import { startTarget, type Target } from './target.ts';
import { looks, Producer, TRANSACTION_TIMEOUT_MS } from './transactions-peer.ts';
import { until } from './until.ts';

const SHORT_TIMEOUT_MS = 1_000;
/** How long a consumer waits for an offset that a transaction holds back. */
const STABLE_MS = 1_500;
/** By their number in the transaction log. */
const STATES = ['Empty', 'Ongoing', 'PrepareCommit', 'PrepareAbort', 'CompleteCommit', 'CompleteAbort'];
const SETTINGS = {
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
  'transaction.max.timeout.ms': '120000',
};

const VERSIONS = [KAFKA_TOOLS_VERSION, KAFKA_CLIENTS_VERSION];
const { installed, skip } = await obtain(async () => ({
  tools: await installKafkaTools(),
  clients: new Map(
    await Promise.all(
      VERSIONS.map(async (version) => [version, await installKafkaClients(version)] as const),
    ),
  ),
}));
const serves = await served();

const FENCED = /ProducerFencedException|InvalidProducerEpochException/;

for (const version of VERSIONS.filter((each) =>
  serves('transactions', `Java transactions call by call, ${each}`),
)) {
  describe(`transactions of the Java client ${version}`, { skip: skip ?? false }, () => {
    let target: Target;
    let java: ProcessPeer;
    let producers = 0;
    const producer = (): Producer => new Producer(java, `producer-${(producers += 1)}`);

    before(async () => {
      target = await startTarget({ settings: SETTINGS });
      java = await startJava(installed!.clients.get(version)!, target.bootstrap);
    });
    after(async () => {
      await java?.close();
      await target?.discard();
    });

    test('an open transaction is hidden, a committed one is seen, an aborted one never, and markers take offsets', async () => {
      await java.createTopic('seen', 1, {});
      const one = producer();
      await one.open('seen');
      await one.begin();
      assert.deepEqual(await one.send('seen', ['a', 'b']), [0, 1]);
      await looks(java, 'seen-0', { committed: [0], uncommitted: [2, 'a', 'b'] });
      await one.commit();
      await looks(java, 'seen-0', { committed: [3, 'a', 'b'], uncommitted: [3, 'a', 'b'] });
      await one.begin();
      assert.deepEqual(await one.send('seen', ['c']), [3]);
      await one.abort();
      await one.begin();
      assert.deepEqual(await one.send('seen', ['d']), [5]);
      await one.commit();
      await looks(java, 'seen-0', {
        committed: [7, 'a', 'b', 'd'],
        uncommitted: [7, 'a', 'b', 'c', 'd'],
      });
    });

    test('the first open transaction holds back all that is behind it, until it ends', async () => {
      await java.createTopic('held', 1, {});
      const [slow, quick] = [producer(), producer()];
      await slow.open('slow');
      await quick.open('quick');
      await slow.begin();
      await slow.send('held', ['slow']);
      await quick.begin();
      await quick.send('held', ['quick']);
      await quick.commit();
      await java.produce('held', [
        { partition: 0, key: null, value: Buffer.from('plain'), headers: [], timestamp: 1 },
      ]);
      const uncommitted = [4, 'slow', 'quick', 'plain'];
      await looks(java, 'held-0', { committed: [0], uncommitted });
      await slow.abort();
      await looks(java, 'held-0', {
        committed: [5, 'quick', 'plain'],
        uncommitted: [5, ...uncommitted.slice(1)],
      });
    });

    test('a transaction over several partitions ends in all of them', async () => {
      await java.createTopic('wide', 12, {});
      const one = producer();
      await one.open('wide');
      for (const isCommitted of [true, false, true]) {
        await one.begin();
        for (let partition = 0; partition < 12; partition += 1)
          await one.send('wide', [`${isCommitted}`], partition);
        await (isCommitted ? one.commit() : one.abort());
      }
      for (const key of ['wide-0', 'wide-7', 'wide-11']) {
        await looks(java, key, {
          committed: [6, 'true', 'true'],
          uncommitted: [6, 'true', 'false', 'true'],
        });
      }
    });

    test('a producer with the same transactional id aborts and fences the one before', async () => {
      await java.createTopic('fenced', 1, {});
      const [old, young] = [producer(), producer()];
      await old.open('fenced');
      await old.begin();
      await old.send('fenced', ['old']);
      await young.open('fenced');
      await looks(java, 'fenced-0', { committed: [2], uncommitted: [2, 'old'] });
      await assert.rejects(old.send('fenced', ['zombie']), FENCED);
      await assert.rejects(old.commit(), FENCED);
      await young.begin();
      await young.send('fenced', ['young']);
      await young.commit();
      await looks(java, 'fenced-0', {
        committed: [4, 'young'],
        uncommitted: [4, 'old', 'young'],
      });
      const idle = producer();
      await idle.open('idle');
      await producer().open('idle');
      await idle.begin();
      await assert.rejects(
        idle.send('fenced', ['zombie']).then(() => idle.commit()),
        FENCED,
      );
    });

    test('a transaction that is open for longer than its timeout is aborted, and its producer fenced', async () => {
      await java.createTopic('late', 1, {});
      const one = producer();
      await one.open('late', SHORT_TIMEOUT_MS);
      await one.begin();
      await one.send('late', ['late']);
      await until('the transaction is aborted', async () => {
        const ends = await java.call('ends', { keys: ['late-0'], isolation: 'read_committed' });
        return ends['late-0'] === 2;
      });
      await looks(java, 'late-0', { committed: [2], uncommitted: [2, 'late'] });
      await assert.rejects(one.commit(), /ProducerFenced|InvalidProducerEpoch|InvalidTxnState|Abortable/);
      await one.leave();
      await assert.rejects(producer().open('too-long', 120_001), /transaction timeout/i);
    });

    test('offsets are committed with their transaction, and are held back from those who want them stable', async () => {
      await java.createTopic('moved', 1, {});
      const one = producer();
      await one.open('mover');
      const committed = async (): Promise<number[]> =>
        (await java.committed('movers', 'moved')).map(({ offset }) => offset);
      const stable = (timeoutMs: number): Promise<number> =>
        java.call('stableOffset', { group: 'movers', topic: 'moved', partition: 0, timeoutMs });
      await one.begin();
      await one.offsets('movers', 'moved', 5);
      assert.deepEqual(await committed(), []);
      await assert.rejects(stable(STABLE_MS), /TimeoutException/);
      await one.commit();
      assert.equal(await stable(TRANSACTION_TIMEOUT_MS), 5);
      assert.deepEqual(await committed(), [5]);
      await one.begin();
      await one.send('moved', ['aborted']);
      await one.offsets('movers', 'moved', 9);
      assert.deepEqual(await committed(), [5]);
      await one.abort();
      assert.equal(await stable(TRANSACTION_TIMEOUT_MS), 5);
      await one.begin();
      await one.offsets('movers', 'moved', 7);
      await one.commit();
      assert.equal(await stable(TRANSACTION_TIMEOUT_MS), 7);
    });

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      test(`an open transaction lives through ${signal}, and can be committed`, async () => {
        const topic = `restart-${signal}`;
        await java.createTopic(topic, 2, {});
        const [open, gone, done] = [producer(), producer(), producer()];
        await open.open(`open-${signal}`);
        await gone.open(`gone-${signal}`);
        await done.open(`done-${signal}`);
        await done.begin();
        await done.send(topic, ['aborted'], 1);
        await done.abort();
        await open.begin();
        await open.send(topic, ['before']);
        await open.offsets(`restarted-${signal}`, topic, 3);
        await gone.begin();
        await gone.send(topic, ['gone'], 1);
        await (signal === 'SIGTERM' ? target.stop() : target.kill());
        await target.restart();
        await looks(java, `${topic}-0`, { committed: [0], uncommitted: [1, 'before'] });
        assert.deepEqual(await java.committed(`restarted-${signal}`, topic), []);
        await open.send(topic, ['after']);
        await open.commit();
        const both = [3, 'before', 'after'];
        await looks(java, `${topic}-0`, { committed: both, uncommitted: both });
        const stable = {
          group: `restarted-${signal}`,
          topic,
          partition: 0,
          timeoutMs: TRANSACTION_TIMEOUT_MS,
        };
        assert.equal(await java.call('stableOffset', stable), 3);
        await looks(java, `${topic}-1`, {
          committed: [2],
          uncommitted: [3, 'aborted', 'gone'],
        });
        await producer().open(`gone-${signal}`);
        await looks(java, `${topic}-1`, {
          committed: [4],
          uncommitted: [4, 'aborted', 'gone'],
        });
      });
    }

    test('DumpLogSegments accepts every file once the broker has stopped, and decodes the transaction log', async () => {
      await target.stop();
      const tools = kafkaTools(installed!.tools);
      const { faults } = await inspectSegments(tools, target.dataDir);
      assert.deepEqual(faults, []);
      const logs = filesBelow(target.dataDir, '.log').filter((path) =>
        path.includes('/__transaction_state-'),
      );
      const printed = await tools.tool('dump-log', ['--transaction-log-decoder', '--files', logs.join(',')]);
      const log = printed
        .split('\n')
        .filter((line) => line.includes('"transactionalId":"seen"'))
        .map((line) => JSON.parse(/payload: (.*)$/.exec(line)![1]!).data)
        .map((data) => [STATES[data.transactionStatus], data.producerEpoch]);
      // The epoch of the next transaction is in force once this one is about to end.
      const transaction = (end: string, epoch: number): unknown[] => [
        ['Ongoing', epoch],
        [`Prepare${end}`, epoch + 1],
        [`Complete${end}`, epoch + 1],
      ];
      const ends = ['Commit', 'Abort', 'Commit'].flatMap(transaction);
      assert.deepEqual(log, [['Empty', 0], ...ends]);
    });
  });
}
