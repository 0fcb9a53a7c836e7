/** Who only reads: followers everything from the beginning, wanderers other keys and other places every now and then. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer } from '../../../../src/client/client.ts';
import type { Isolation } from '../../../workload/history.ts';
import { keyOf, type Life, partitionOf } from './life.ts';
import { add, notePoll, poll, positions, readerOptions } from './polling.ts';

const ENDED_INTERVAL_MS = 50;
const RUN_CONCURRENCY = 4;

/** Reads every key from its beginning, and then whatever comes. */
export async function follow(life: Life, isolation: Isolation): Promise<void> {
  const access = life.shared.access(life.random);
  const consumer = access.client.consumer(readerOptions(isolation));
  const reader = life.newName();
  try {
    await assign(life, consumer, life.allKeys, 'earliest');
    life.note('ok', { f: 'assign', consumer: reader, isolation, positions: await positions(life, consumer) });
    if (isolation === 'read_committed') {
      while (!life.isEnded) notePoll(life, reader, await life.during('following', poll(consumer, 50)));
    } else await life.during('running', runUntilEnded(life, consumer, reader));
  } finally {
    await life.during('closing a follower', consumer.close());
    await life.during('closing a client', access.leave());
  }
}

/** Batches come to handlers, several partitions at a time. */
async function runUntilEnded(life: Life, consumer: Consumer, reader: string): Promise<void> {
  const ending = new AbortController();
  const running = consumer.run({
    concurrency: RUN_CONCURRENCY,
    signal: ending.signal,
    onBatch: (batch) => notePoll(life, reader, add({}, batch)),
  });
  let isRunning = true;
  running.then(
    () => (isRunning = false),
    () => (isRunning = false),
  );
  while (!life.isEnded && isRunning) await delay(ENDED_INTERVAL_MS);
  ending.abort(new Error('the life is over'));
  await running.catch((error: unknown) => {
    if (!life.isEnded) throw error;
  });
}

export async function wander(life: Life): Promise<void> {
  const { random } = life;
  const access = life.shared.access(random);
  const admin = access.client.admin();
  const consumer = access.client.consumer(readerOptions('read_committed'));
  const reader = life.newName();
  try {
    while (!life.isEnded) {
      const mine = life.some(life.allKeys);
      await assign(life, consumer, mine, 'latest');
      const asked = mine.map((key) => ({ ...partitionOf(key), at: 'latest' as const }));
      const ends = await life.during('asking for ends', admin.listOffsets(asked, { isolation: 'committed' }));
      const places: Record<string, number> = {};
      for (const { topic, partition, offset } of ends) {
        const to = random.chance(0.25) ? 0 : Math.max(0, offset - random.integer(300));
        consumer.seek({ topic, partition }, to);
        places[keyOf({ topic, partition })] = to;
      }
      life.note('ok', { f: 'assign', consumer: reader, isolation: 'read_committed', positions: places });
      const turns = random.between(1, 40);
      if (random.chance(0.3)) await stroll(life, consumer, { reader, turns });
      else {
        for (let count = turns; count > 0 && !life.isEnded; count--) {
          notePoll(life, reader, await life.during('wandering', poll(consumer, 50)));
        }
      }
    }
  } finally {
    await life.during('closing a wanderer', consumer.close());
    await admin.close();
    await life.during('closing a client', access.leave());
  }
}

/** Record by record, in loops that are left in the middle. */
async function stroll(
  life: Life,
  consumer: Consumer,
  { reader, turns }: { readonly reader: string; readonly turns: number },
): Promise<void> {
  for (let count = turns; count > 0 && !life.isEnded; count--) {
    let left = life.random.between(1, 10);
    const signal = AbortSignal.timeout(100);
    const loop = async (): Promise<void> => {
      for await (const record of consumer.records({ signal })) {
        notePoll(life, reader, { [keyOf(record)]: [[record.offset, Number(record.text)]] });
        if (--left === 0) return;
      }
    };
    await life.during('strolling', loop()).catch((error: unknown) => {
      if (error !== signal.reason) throw error;
    });
  }
}

async function assign(
  life: Life,
  consumer: Consumer,
  keys: readonly string[],
  from: 'earliest' | 'latest',
): Promise<void> {
  await life.during('assigning', consumer.assign(keys.map((key) => ({ ...partitionOf(key), from }))));
}
