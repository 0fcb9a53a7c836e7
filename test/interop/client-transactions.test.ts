// Transactions of every client library that has them, beside Java's: what one writes and ends the other sees as it should,
// and loops that consume, transform and produce, with the offsets in the transaction, deliver each input exactly once
// through aborts, members that come, go and die, and a broker that is killed.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { installGo } from '../../scripts/peer-go.ts';
import { installKafkaClients, KAFKA_CLIENTS_VERSION, KAFKA_TOOLS_VERSION } from '../../scripts/peer-java.ts';
import { installPython } from '../../scripts/peer-python.ts';
import { startJava } from './java-peer.ts';
import { obtain } from './peer.ts';
import { type ProcessPeer, startProcessPeer } from './process-peer.ts';
import { startPython } from './python-peer.ts';
import { textRecords, values } from './scenario.ts';
import { served, servedStyles } from './served.ts';
import { KEEPS_TRANSACTIONS_WHEN_KILLED, LONG_SESSION, startTarget, type Target } from './target.ts';
import { looks, Producer } from './transactions-peer.ts';
import { until } from './until.ts';

const PARTITIONS = 4;
const WAVE_RECORDS = 200;
/** Of the loops' transactions; what a killed one leaves open is over soon. */
const PIPE_TIMEOUT_MS = 10_000;
const ABORT_EVERY = 3;
const ERROR_CHARACTERS_MAX = 3_000;
const SETTINGS = {
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
  // A member that has died is missed as soon as in a classic group.
  'group.consumer.min.session.timeout.ms': '6000',
  'group.consumer.session.timeout.ms': '6000',
  ...LONG_SESSION,
};

interface Client {
  readonly name: string;
  readonly start: (bootstrap: string) => Promise<ProcessPeer>;
  readonly skip: string | undefined;
}

const java = await obtain(() => installKafkaClients());
const older = await obtain(() => installKafkaClients(KAFKA_TOOLS_VERSION));
const go = await obtain(() => installGo('franz-go'));
const python = await obtain(installPython);
const CLIENTS: readonly Client[] = [
  {
    name: `the Java client ${KAFKA_CLIENTS_VERSION}`,
    start: (bootstrap) => startJava(java.installed!, bootstrap),
    skip: java.skip,
  },
  {
    name: `the Java client ${KAFKA_TOOLS_VERSION}`,
    start: (bootstrap) => startJava(older.installed!, bootstrap),
    skip: java.skip ?? older.skip,
  },
  {
    name: 'twmb/franz-go',
    start: async (bootstrap) => startProcessPeer([go.installed!], bootstrap),
    skip: java.skip ?? go.skip,
  },
  {
    name: 'confluent-kafka',
    start: (bootstrap) => startPython({ python: python.installed!, client: 'confluent' }, bootstrap),
    skip: java.skip ?? python.skip,
  },
];
const serves = await served();

for (const client of CLIENTS.filter(({ name }) => serves('transactions', `transactions of ${name}`))) {
  describe(`transactions of ${client.name}`, { skip: client.skip ?? false }, () => {
    let target: Target;
    let peer: ProcessPeer;
    let observer: ProcessPeer;

    before(async () => {
      target = await startTarget({ settings: SETTINGS });
      peer = await client.start(target.bootstrap);
      observer = await startJava(java.installed!, target.bootstrap);
    });
    after(async () => {
      await peer?.close();
      await observer?.close();
      await target?.discard();
    });

    test('what it commits is seen by itself and by another, what it aborts or leaves open is not', async () => {
      await observer.createTopic('produced', 2, {});
      const producer = new Producer(peer, 'producer');
      await producer.open('producer');
      await producer.begin();
      assert.deepEqual(await producer.send('produced', ['a', 'b']), [0, 1]);
      await producer.send('produced', ['elsewhere'], 1);
      for (const reader of [peer, observer]) {
        await looks(reader, 'produced-0', { committed: [0], uncommitted: [2, 'a', 'b'] });
      }
      await producer.commit();
      await producer.begin();
      await producer.send('produced', ['c']);
      await producer.abort();
      await producer.begin();
      await producer.send('produced', ['d']);
      await producer.commit();
      await producer.begin();
      await producer.send('produced', ['open']);
      for (const reader of [peer, observer]) {
        await looks(reader, 'produced-0', {
          committed: [7, 'a', 'b', 'd'],
          uncommitted: [8, 'a', 'b', 'c', 'd', 'open'],
        });
        await looks(reader, 'produced-1', {
          committed: [2, 'elsewhere'],
          uncommitted: [2, 'elsewhere'],
        });
      }
      await producer.abort();
    });

    test('of what another writes it reads the committed part, in order and whole', async () => {
      await observer.createTopic('consumed', 1, {});
      const [one, other] = [new Producer(observer, 'one'), new Producer(observer, 'other')];
      await one.open('one');
      await other.open('other');
      const committed: string[] = [];
      const all: string[] = [];
      for (let turn = 0; turn < 20; turn += 1) {
        const isCommitted = turn % 3 !== 1;
        const [kept, dropped] = [[`${turn}-a`, `${turn}-b`], [`${turn}-c`]];
        await one.begin();
        await other.begin();
        await one.send('consumed', [kept[0]!]);
        await other.send('consumed', dropped);
        await one.send('consumed', [kept[1]!]);
        await other.abort();
        await (isCommitted ? one.commit() : one.abort());
        if (isCommitted) committed.push(...kept);
        all.push(kept[0]!, ...dropped, kept[1]!);
      }
      await looks(peer, 'consumed-0', { committed: [100, ...committed], uncommitted: [100, ...all] });
    });

    test('a producer with the same transactional id fences it', async () => {
      await observer.createTopic('fenced', 1, {});
      const [old, young] = [new Producer(peer, 'old'), new Producer(observer, 'young')];
      await old.open('fenced');
      await old.begin();
      await old.send('fenced', ['old']);
      await young.open('fenced');
      await looks(observer, 'fenced-0', { committed: [2], uncommitted: [2, 'old'] });
      await assert.rejects(
        old.send('fenced', ['zombie']).then(() => old.commit()),
        /fenced|INVALID_PRODUCER_EPOCH|PRODUCER_FENCED|InvalidProducerEpoch/i,
      );
      await young.begin();
      await young.send('fenced', ['young']);
      await young.commit();
      await looks(peer, 'fenced-0', { committed: [4, 'young'], uncommitted: [4, 'old', 'young'] });
    });

    for (const style of [{}, ...servedStyles(serves, client.name, [{ protocol: 'consumer' }])]) {
      const protocol = style.protocol ?? 'classic';
      test(`loops deliver each input exactly once through aborts and deaths (${protocol} group)`, async () => {
        await loops({ client, target, observer, protocol });
      });
    }
  });
}

/** One loop begins, a second one joins, the broker is killed, the second one's process dies, and a third one takes over. */
async function loops({
  client,
  target,
  observer,
  protocol,
}: {
  client: Client;
  target: Target;
  observer: ProcessPeer;
  protocol: string;
}): Promise<void> {
  const [input, output, group] = [`in-${protocol}`, `out-${protocol}`, `loops-${protocol}`];
  await observer.createTopic(input, PARTITIONS, {});
  await observer.createTopic(output, PARTITIONS, {});
  const keys = Array.from({ length: PARTITIONS }, (_, partition) => `${output}-${partition}`);
  const sent: string[][] = keys.map(() => []);
  const send = async (wave: number): Promise<void> => {
    for (const [partition, all] of sent.entries()) {
      const prefix = `${wave}-${partition}`;
      const records = textRecords({ partition, count: WAVE_RECORDS / PARTITIONS, prefix });
      await observer.produce(input, records);
      all.push(...values(records));
    }
  };
  const read = async (isolation: string): Promise<string[][]> => {
    const found = await observer.call('readAll', { keys, isolation });
    return keys.map((key) => (found[key] ?? []).map(([, value]: [number, string]) => value));
  };
  const peers: ProcessPeer[] = [];
  const told = (seen: string): string =>
    [
      `${seen} of ${sent.map((each) => each.length).join()}`,
      ...peers.map((peer) => peer.errors().slice(-ERROR_CHARACTERS_MAX)),
    ].join('\n--- ');
  const delivered = async (): Promise<void> => {
    let seen = '';
    await until(
      'everything sent is delivered',
      async () => {
        const counts = (await read('read_committed')).map((each) => each.length);
        seen = String(counts);
        return counts.every((count, partition) => count >= sent[partition]!.length);
      },
      { timeoutMs: 90_000, intervalMs: 200, seen: () => told(seen) },
    );
  };
  const start = async (name: string): Promise<ProcessPeer> => {
    const peer = await client.start(target.bootstrap);
    peers.push(peer);
    await peer.call('pipeStart', {
      pipe: 'pipe',
      group,
      input,
      output,
      protocol,
      transactionalId: `${group}-${name}`,
      timeoutMs: PIPE_TIMEOUT_MS,
      abortEvery: ABORT_EVERY,
    });
    return peer;
  };
  try {
    const first = await start('first');
    await send(1);
    await delivered();
    const second = await start('second');
    await send(2);
    if (KEEPS_TRANSACTIONS_WHEN_KILLED) {
      await target.kill();
      await target.restart();
    }
    await send(3);
    await delivered();
    await send(4);
    second.signal('SIGKILL');
    const third = await start('third');
    await send(5);
    await delivered();
    const ends = [
      await first.call('pipeStop', { pipe: 'pipe' }),
      await third.call('pipeStop', { pipe: 'pipe' }),
    ];

    const expected = sent.map((all) => all.map((value) => `piped ${value}`));
    assert.deepEqual(await read('read_committed'), expected);
    const aborts = ends.reduce((sum, { aborted }) => sum + aborted, 0);
    assert.ok(aborts > 0, 'nothing was aborted');
    const uncommitted = (await read('read_uncommitted')).flat().length;
    assert.ok(uncommitted > expected.flat().length, 'what was aborted has left nothing in the log');
    assert.deepEqual(
      (await observer.committed(group, input)).map(({ partition, offset }) => [partition, offset]),
      sent.map((all, partition) => [partition, all.length]),
    );
  } finally {
    await Promise.all(peers.map((peer) => peer.close()));
  }
}
