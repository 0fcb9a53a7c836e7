/** Who sends without transactions: idempotent producers, each for one key, and the answers that they get. */
import type { Step } from '../../../workload/history.ts';
import { describe, type Life, nameOf, partitionOf } from './life.ts';
import { Steps } from './steps.ts';

const DELIVERY_MS_MAX = 120_000;

/** One life of a producer: a few values at a time. */
export async function sendTo(life: Life, key: string): Promise<void> {
  const { random, shared } = life;
  const access = shared.access(random);
  const producer = access.client.producer({
    lingerMs: random.integer(3),
    deliveryTimeoutMs: DELIVERY_MS_MAX,
  });
  const at = partitionOf(key);
  try {
    for (let count = random.between(200, 1_200); count > 0 && !life.isEnded; count--) {
      const sends = Array.from({ length: random.between(1, 4) }, () => [key, shared.nextValue()] as const);
      const plan: Step[] = sends.map((send) => ({ send }));
      life.note('invoke', { f: 'send', steps: plan });
      const steps = new Steps();
      const records = sends.map(([, value]) => ({ ...at, value: String(value) }));
      if (random.chance(0.25)) steps.sendAll(sends, producer.sendAll(records));
      else for (const [index, record] of records.entries()) steps.send(sends[index]!, producer.send(record));
      try {
        await life.during('sending plainly', steps.acknowledged());
      } catch (error) {
        shared.count(`plain send: ${nameOf(error)}`);
        life.note('info', { f: 'send', steps: steps.list(), error: describe(error) });
        return;
      }
      life.note('ok', { f: 'send', steps: steps.list() });
      shared.count('sent plainly');
      await life.pause();
    }
  } finally {
    await life.during('closing a plain producer', producer.close({ timeoutMs: 0 }));
    await life.during('closing a client', access.leave());
  }
}
