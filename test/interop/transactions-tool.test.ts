// What kafka-transactions shows of transactions, and ends.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { installKafkaClients, installKafkaTools } from '../../scripts/peer-java.ts';
import { startJava } from './java-peer.ts';
import { kafkaTools, type Tools } from './java-tools.ts';
import { obtain } from './peer.ts';
import type { ProcessPeer } from './process-peer.ts';
import { served } from './served.ts';
import { startTarget, type Target } from './target.ts';
import { looks, Producer, TRANSACTION_TIMEOUT_MS } from './transactions-peer.ts';

const { installed, skip } = await obtain(async () => ({
  tools: await installKafkaTools(),
  clients: await installKafkaClients(),
}));
const serves = await served();

if (serves('listing transactions', 'kafka-transactions')) {
  describe('kafka-transactions', { skip: skip ?? false }, () => {
    let target: Target;
    let java: ProcessPeer;
    let tool: Tools['tool'];
    let server: string[];

    before(async () => {
      target = await startTarget();
      java = await startJava(installed!.clients, target.bootstrap);
      ({ tool } = kafkaTools(installed!.tools));
      server = ['--bootstrap-server', target.bootstrap];
    });
    after(async () => {
      await java?.close();
      await target?.discard();
    });
    /** The rows of a table as the tool prints it, by column. */
    const table = async (args: string[]): Promise<Record<string, string>[]> => {
      const [head, ...rows] = (await tool('transactions', [...server, ...args]))
        .split('\n')
        .filter((line) => line.includes('\t'))
        .map((line) => line.split('\t').map((cell) => cell.trim()));
      return rows.map((row) => Object.fromEntries(head!.map((name, index) => [name, row[index]!])));
    };

    test('lists, describes and finds transactions, and aborts one by partition and offset', async () => {
      await java.createTopic('tools', 2, {});
      const [done, open] = [new Producer(java, 'done'), new Producer(java, 'open')];
      await done.open('done');
      await done.begin();
      await done.send('tools', ['done']);
      await done.commit();
      await open.open('open');
      await open.begin();
      await open.send('tools', ['open'], 1);

      const listed = await table(['list']);
      assert.deepEqual(
        listed.map((row) => [row['TransactionalId'], row['TransactionState']]).sort(),
        [
          ['done', 'CompleteCommit'],
          ['open', 'Ongoing'],
        ],
        JSON.stringify(listed),
      );
      assert.equal((await table(['list', '--duration-filter', '3600000'])).length, 0);
      assert.deepEqual(
        (await table(['list', '--transactional-id-pattern', 'do.*'])).map((row) => row['TransactionalId']),
        ['done'],
      );

      const [described] = await table(['describe', '--transactional-id', 'open']);
      assert.deepEqual(
        [described!['TransactionState'], described!['TransactionTimeoutMs'], described!['TopicPartitions']],
        ['Ongoing', String(TRANSACTION_TIMEOUT_MS), 'tools-1'],
      );
      const [active] = await table(['describe-producers', '--topic', 'tools', '--partition', '1']);
      assert.equal(active!['ProducerId'], described!['ProducerId']);
      assert.equal(active!['CurrentTransactionStartOffset'], '0');
      const [quiet] = await table(['describe-producers', '--topic', 'tools', '--partition', '0']);
      assert.equal(quiet!['CurrentTransactionStartOffset'], 'None');

      // The coordinator knows of it, so it does not hang.
      const hanging = ['find-hanging', '--broker-id', '1', '--max-transaction-timeout', '0'];
      assert.deepEqual(await table(hanging), []);

      await tool('transactions', [
        ...server,
        'abort',
        '--topic',
        'tools',
        '--partition',
        '1',
        '--start-offset',
        '0',
      ]);
      await looks(java, 'tools-1', { committed: [2], uncommitted: [2, 'open'] });
      await looks(java, 'tools-0', { committed: [2, 'done'], uncommitted: [2, 'done'] });
    });
  });
}
