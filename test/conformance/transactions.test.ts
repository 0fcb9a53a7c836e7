/**
 * Puts the same requests of transactional producers, of brokers that ask for them and of administrators to Kafka 4.4.0
 * and to Headrace, and compares all fields of the answers. Needs Java and Maven.
 */
import { test } from 'node:test';

import { orSkip } from './kafka-jars.ts';
import {
  ADD,
  ADD_OFFSETS,
  CONCURRENT_TRANSACTIONS,
  coordinatorsReady,
  DESCRIBE_TRANSACTIONS as DESCRIBE,
  END,
  INIT,
  keepProducer,
  LIST_OFFSETS,
  LIST_TRANSACTIONS as LIST,
  MARK,
  NEW_PRODUCER,
  PRODUCE,
  produceBody,
  producerOf as of,
  TRANSACTION_SETTINGS,
  type Identity,
  type ProduceOptions,
} from './transactional-producers.ts';
import { TwoBrokers, type Side } from './two-brokers.ts';

class Story {
  readonly #both: TwoBrokers;

  constructor(both: TwoBrokers) {
    this.#both = both;
  }

  init(what: string, id: string, options: { version?: number; timeoutMs?: number; as?: Identity } = {}) {
    const { version = 5, timeoutMs = 60_000, as } = options;
    const body = (side: Side): object => ({
      ...(as === undefined ? NEW_PRODUCER : of(side, id, as)),
      transactionalId: id,
      transactionTimeoutMs: timeoutMs,
    });
    return this.#both.same(`InitProducerId ${what}`, INIT, version, body, keepProducer(id));
  }

  add(
    what: string,
    id: string,
    topics: Record<string, number[]>,
    options: Identity & { version?: number } = {},
  ) {
    return this.#both.same(
      `AddPartitionsToTxn ${what}`,
      ADD,
      options.version ?? 3,
      addBody(id, topics, options),
    );
  }

  end(what: string, id: string, committed: boolean, options: Identity & { version?: number } = {}) {
    const { version = 5 } = options;
    const body = (side: Side): object => ({ ...of(side, id, options), committed });
    return this.#both.same(`EndTxn ${version} ${what}`, END, version, body);
  }

  /** Ends it, and goes on as the producer that the answer makes it. */
  async finish(id: string, committed: boolean, version: number): Promise<void> {
    const body = (side: Side): object => ({ ...of(side, id), committed });
    await this.#both.same('EndTxn', END, version, body, version >= 5 ? keepProducer(id) : {});
    await this.settled(id);
  }

  /** Until all markers are in. */
  async settled(id: string): Promise<void> {
    await this.#both.until(DESCRIBE, 0, { transactionalIds: [id] }, ({ transactionStates }) =>
      String(transactionStates[0].transactionState).startsWith('Complete'),
    );
    await this.describe('afterwards', [id]);
  }

  describe(what: string, transactionalIds: string[]) {
    return this.#both.same(`DescribeTransactions ${what}`, DESCRIBE, 0, { transactionalIds });
  }

  produce(what: string, id: string, options: ProduceOptions & { version?: number } = {}) {
    const { version = 12 } = options;
    return this.#both.same(`Produce ${version} ${what}`, PRODUCE, version, produceBody(id, what, options));
  }
}

function addBody(id: string, topics: Record<string, number[]>, options: Identity): (side: Side) => object {
  return (side) => {
    const { transactionalId, producerId, producerEpoch } = of(side, id, options);
    return {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: Object.entries(topics).map(([name, partitions]) => ({ name, partitions })),
    };
  };
}

test('transactions are answered as Kafka answers them', async (t) => {
  const started = await orSkip(() => TwoBrokers.start(TRANSACTION_SETTINGS));
  if ('skip' in started) return t.skip(started.skip);
  const both = started.have;
  t.after(() => both.stop());
  await coordinatorsReady(both);
  await both.createTopics({ t: { partitions: 3 }, u: {} });
  const story = new Story(both);

  await both.scenario(t, 'item 17, 18: InitProducerId', async () => {
    for (const version of [0, 1, 2, 3, 4, 5]) {
      const id = `init${version}`;
      await story.init('of a new id', id, { version });
      await story.init('again', id, { version });
      for (const timeoutMs of [0, -1, 900_001, 900_000])
        await story.init(`${timeoutMs} ms`, id, { version, timeoutMs });
      await story.init('without an id', '', { version });
      if (version < 3) continue;
      await story.init('of the epoch before', id, { version, as: { shift: -1 } });
      await story.init('of a newer epoch', id, { version, as: { shift: 3 } });
      await story.init('of another producer', id, { version, as: { producer: 'nobody' } });
      await story.init('of the present epoch', id, { version, as: {} });
      await story.init('again', id, { version, as: { shift: -1 } });
      await story.init('of the first epoch', id, { version, as: { shift: -4 } });
      await story.init('of an unknown id', `${id} unknown`, { version, as: { producer: 'nobody' } });
      await story.init('of half a producer', `${id} half`, {
        version,
        as: { producer: 'nobody', shift: -1 },
      });
    }
  });

  await both.scenario(t, 'item 19, 20: partitions of a transaction', async () => {
    for (const version of [0, 1, 2, 3]) {
      const id = `add${version}`;
      await story.add('of nobody', id, { t: [0] }, { version });
      await story.init('begins', id);
      await story.add('first', id, { t: [0, 1] }, { version });
      await story.add('again', id, { t: [0] }, { version });
      await story.add('nothing', id, {}, { version });
      await story.add('what is unknown', id, { t: [2, 9], nobody: [0] }, { version });
      await story.add('what is internal', id, { t: [2], __consumer_offsets: [0] }, { version });
      await story.add('an older epoch', id, { t: [0] }, { version, shift: -1 });
      await story.add('a newer epoch', id, { t: [0] }, { version, shift: 1 });
      await story.add('another producer', id, { t: [0] }, { version, producer: 'nobody' });
      await story.add('without an id', '', { t: [0] }, { version, producer: id });
      await story.describe('open', [id]);
      await story.finish(id, true, 4);
    }
    for (const version of [4, 5]) {
      const id = `add${version}`;
      await story.init('begins', id);
      for (const verifyOnly of [true, false, true]) {
        const body = (side: Side): object => ({
          transactions: [
            { ...of(side, id), verifyOnly, topics: [{ name: 't', partitions: [0, 1] }] },
            { ...of(side, 'nobody'), verifyOnly, topics: [{ name: 't', partitions: [0] }] },
            {
              ...of(side, 'any', { producer: id }),
              verifyOnly,
              topics: [{ name: 'nobody', partitions: [0] }],
            },
          ],
        });
        await both.same(`AddPartitionsToTxn ${version}, verifyOnly ${verifyOnly}`, ADD, version, body);
      }
      await story.finish(id, false, 5);
    }
    for (const version of [0, 1, 2, 3, 4]) {
      const id = `group${version}`;
      const send = (what: string, options?: Identity) =>
        both.same(`AddOffsetsToTxn ${version} ${what}`, ADD_OFFSETS, version, (side) => ({
          ...of(side, id, options),
          groupId: 'g',
        }));
      await send('of nobody');
      await story.init('begins', id);
      await send('first');
      await send('of a newer epoch', { shift: 1 });
      await story.describe('open', [id]);
      await story.finish(id, true, 4);
    }
  });

  await both.scenario(t, 'item 20: the end of a transaction', async () => {
    for (const version of [0, 1, 2, 3, 4, 5]) {
      const id = `end${version}`;
      const each = async (what: string, options: Identity): Promise<void> => {
        await story.end(`${what}, of another`, id, true, { version, producer: 'nobody' });
        for (const committed of [true, false]) {
          await story.end(`${what}, commit ${committed}`, id, committed, { version, ...options });
        }
      };
      await story.end('of nobody', id, true, { version });
      await story.end('without an id', '', true, { version });
      await story.init('begins', id);
      await story.init('begins', id);
      await each('empty, older', { shift: -1 });
      await each('empty, newer', { shift: 1 });
      await story.end('empty, commit', id, true, { version });
      if (version < 5) await story.end('empty, abort', id, false, { version });
      else await story.finish(id, false, version);
      for (const committed of [true, false]) {
        if (version < 5) await story.add('', id, { t: [0] });
        else await story.produce('begins it', id);
        await each('open, older', { shift: -1 });
        await each('open, newer', { shift: 1 });
        await story.finish(id, committed, version);
        await each('complete, older', { shift: -1 });
        await each('complete, older still', { shift: -2 });
        await each('complete, newer', { shift: 1 });
        if (version < 5) await each('complete', {});
        else await story.end('complete, commit', id, true, { version });
      }
      if (version === 5) await story.finish(id, false, version);
    }
  });

  await both.scenario(t, 'item 19: a producer that begins anew', async () => {
    for (const id of ['fence1', 'fence2']) {
      await story.init('begins', id);
      await (id === 'fence1' ? story.add('', id, { t: [0, 1] }) : story.produce('begins it', id));
      await story.init('while it is open', id);
      await story.settled(id);
      await both.until(
        INIT,
        5,
        { ...NEW_PRODUCER, transactionalId: id },
        ({ errorCode }) => errorCode !== CONCURRENT_TRANSACTIONS,
      );
      await story.describe('then', [id]);
      await story.add('late', id, { t: [0] });
      for (const version of [4, 5]) await story.end('late', id, true, { version });
      await story.produce('late', id, { version: 11 });
      await story.produce('late', id, { sequence: 1 });
    }
  });

  await both.scenario(t, 'item 20: Produce in transactions', async () => {
    for (const version of [3, 8, 9, 10, 11]) {
      const id = `produce${version}`;
      await story.produce('of nobody', id, { version });
      await story.init('begins', id);
      await story.produce('not added', id, { version });
      await story.add('', id, { t: [0] });
      await story.produce('added', id, { version });
      await story.produce('again', id, { version });
      await story.produce('next', id, { version, sequence: 1, acks: 1 });
      await story.produce('a gap', id, { version, sequence: 7 });
      await story.produce('another partition', id, { version, partition: 1 });
      await story.produce('no id', id, { version, transactionalId: null });
      await story.produce('another id', id, { version, transactionalId: 'any', partition: 2 });
      await story.produce('a newer epoch', id, { version, shift: 1 });
      await story.produce('a newer epoch elsewhere', id, { version, shift: 1, partition: 2 });
      await story.produce('an older epoch', id, { version, shift: -1 });
      await story.finish(id, true, 4);
      await story.produce('behind the end', id, { version, sequence: 2 });
    }
    const id = 'produce12';
    await story.produce('of nobody', id);
    await story.init('begins', id);
    await story.produce('not from 0', id, { sequence: 3 });
    await story.produce('first', id);
    await story.produce('again', id);
    await story.produce('another partition', id, { partition: 1 });
    await story.produce('an unknown partition', id, { partition: 8 });
    await story.produce('a newer epoch', id, { shift: 1 });
    await story.produce('a newer epoch elsewhere', id, { shift: 1, partition: 2 });
    await story.describe('open', [id]);
    await story.finish(id, true, 5);
    await story.produce('of the epoch before', id, { shift: -1, sequence: 1 });
    await story.produce('of the epoch before elsewhere', id, { shift: -1, partition: 2 });
    await story.finish(id, false, 5);
  });

  await both.scenario(t, 'markers from outside', async () => {
    const id = 'mark';
    await story.init('begins', id);
    await story.init('begins again', id);
    await story.produce('begins it', id, { topic: 'u' });
    const mark = (what: string, version: number, shift: number, transactionVersion = 0) =>
      both.same(`WriteTxnMarkers ${version} ${what}`, MARK, version, (side) => {
        const { producerId, producerEpoch } = of(side, id, { shift });
        const topics = [
          { name: 'u', partitionIndexes: [0] },
          { name: 'nobody', partitionIndexes: [0] },
        ];
        const end = { producerId, producerEpoch, transactionResult: false, topics, coordinatorEpoch: 0 };
        return { markers: [{ ...end, transactionVersion }] };
      });
    const ends = async (): Promise<void> => {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -1 }];
      const body = { replicaId: -1, isolationLevel: 1, topics: [{ name: 'u', partitions }] };
      await both.same('the last stable offset', LIST_OFFSETS, 4, body);
    };
    for (const [what, version, shift, transactionVersion] of [
      ['older', 1, -1, 0],
      ['of this epoch, v2', 2, 0, 2],
      ['of this epoch', 1, 0, 0],
      ['again', 2, 0, 1],
      ['of this epoch behind the end, v2', 2, 0, 2],
      ['of the next, v2', 2, 1, 2],
      ['of the next again, v2', 2, 1, 2],
      ['of the one before, v2', 2, 0, 2],
    ] as const) {
      await mark(what, version, shift, transactionVersion);
      await ends();
    }
    await both.same('WriteTxnMarkers of nothing', MARK, 1, { markers: [] });
  });

  await both.scenario(t, 'what administrators see', async () => {
    await story.init('begins', 'seen');
    await story.produce('begins it', 'seen');
    await story.describe('several', ['seen', 'unseen', '', 'any']);
    const filters = {
      stateFilters: [],
      producerIdFilters: [],
      durationFilter: -1,
      transactionalIdPattern: null,
    };
    const list = (what: string, version: number, body: object) =>
      both.same(`ListTransactions ${version} ${what}`, LIST, version, { ...filters, ...body });
    for (const version of [0, 1, 2]) {
      await list('open ones', version, { stateFilters: ['Ongoing'] });
      await list('unknown states', version, { stateFilters: ['Nonsense', 'ongoing', 'Dead'] });
      await list('unknown producers', version, { producerIdFilters: [4_000_001] });
    }
    await list('long ones', 1, { durationFilter: 100_000_000, stateFilters: ['Ongoing'] });
    for (const transactionalIdPattern of ['see.', 'se', '', '(', '.*een|x', 's[a-e]+n{1,2}']) {
      await list(transactionalIdPattern, 2, { transactionalIdPattern, stateFilters: ['Ongoing'] });
    }
    await story.finish('seen', true, 5);
  });
});
