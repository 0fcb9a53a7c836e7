/** In which order a consumer gets what lies in a partition, and a producer's writes get there. */
import { type Anomaly, type Consumer, type Facts, nameOf, type Send } from '../facts.ts';

/**
 * A consumer that is not moved reads each key forwards, and leaves out nothing that others read with read_committed.
 * Inside one poll the kinds are called int-.
 */
export function pollOrder(facts: Facts): Anomaly[] {
  const seen = new Map<string, readonly number[]>();
  for (const [key, known] of facts.keys) {
    seen.set(
      key,
      [...known.seen].sort((one, other) => one - other),
    );
  }
  return [...facts.consumers.values()].flatMap((consumer) => consumerOrder(consumer, seen));
}

function consumerOrder(consumer: Consumer, seen: ReadonlyMap<string, readonly number[]>): Anomaly[] {
  const found: Anomaly[] = [];
  /** By key the next offset that may come. */
  let positions = new Map<string, number>();
  for (const step of consumer.steps) {
    if (step.what === 'assign') {
      positions = new Map(Object.entries(step.positions));
      continue;
    }
    for (const [key, records] of Object.entries(step.poll)) {
      for (const [index, [offset]] of records.entries()) {
        const prefix = index === 0 ? '' : 'int-';
        const position = positions.get(key);
        if (position === undefined) {
          found.push({ kind: 'unassigned-poll', what: `${consumer.name} gets ${key} @${offset}` });
        } else if (offset < position) {
          const what = `${consumer.name}: ${key} @${offset} after @${position - 1}`;
          found.push({ kind: `${prefix}nonmonotonic-poll`, what });
        } else {
          const next = firstAtOrAfter(seen.get(key) ?? [], position);
          if (next !== undefined && next < offset) {
            const what = `${consumer.name}: ${key} @${offset}, at ${position}, leaves out @${next}`;
            found.push({ kind: `${prefix}poll-skip`, what });
          }
        }
        positions.set(key, offset + 1);
      }
    }
  }
  return found;
}

/** What was sent later by the same process, or after the answer by anybody, has a greater offset. */
export function sendOrder(facts: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  const last = new Map<string, Send>();
  const byKey = new Map<string, Send[]>();
  for (const transaction of facts.transactions) {
    for (const send of transaction.sends) {
      if (send.offset === undefined) continue;
      const line = `${transaction.process} ${send.key}`;
      const before = last.get(line);
      if (before !== undefined && before.offset! >= send.offset) {
        const prefix = before.transaction === transaction ? 'int-' : '';
        const what = `${send.key} @${send.offset} of ${nameOf(transaction)}, after @${before.offset}`;
        found.push({ kind: `${prefix}nonmonotonic-send`, what });
      }
      last.set(line, send);
      const sends = byKey.get(send.key);
      if (sends === undefined) byKey.set(send.key, [send]);
      else sends.push(send);
    }
  }
  for (const sends of byKey.values()) found.push(...realTimeOrder(sends));
  return found;
}

/** From the end of the log backwards: nothing may begin after something that stands behind it has ended. */
function realTimeOrder(sends: readonly Send[]): Anomaly[] {
  const found: Anomaly[] = [];
  let earliest: Send | undefined;
  for (const send of sends.toSorted((one, other) => other.offset! - one.offset!)) {
    const { transaction } = send;
    if (
      earliest !== undefined &&
      earliest.transaction.process !== transaction.process &&
      earliest.transaction.endedAtUs < transaction.invokedAtUs
    ) {
      const what = `${send.key} @${send.offset} of ${nameOf(transaction)}, when @${earliest.offset} was acknowledged`;
      found.push({ kind: 'nonmonotonic-send', what });
    }
    if (earliest === undefined || transaction.endedAtUs < earliest.transaction.endedAtUs) earliest = send;
  }
  return found;
}

/** `sorted` ascending. */
export function firstAtOrAfter(sorted: readonly number[], wanted: number): number | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low];
}
