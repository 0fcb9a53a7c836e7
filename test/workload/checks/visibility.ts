/** What must be read in the end, as a whole, and in time: the checks of transactions. */
import { type Anomaly, type Facts, isCommitted, nameOf, type Send } from '../facts.ts';

/** A committed write below what was read of its key, which nobody ever read. */
export function lostWrites(facts: Facts): Anomaly[] {
  return missing(facts)
    .filter(({ isPassed }) => isPassed)
    .map(({ send }) => ({
      kind: 'lost-write',
      what: `${send.key} @${send.offset}: ${send.value} of ${nameOf(send.transaction)}`,
    }));
}

/** A committed write which nobody has read although everything was read to its end. */
export function unseenWrites(facts: Facts): Anomaly[] {
  if (!facts.isComplete) return [];
  return missing(facts)
    .filter(({ isPassed }) => !isPassed)
    .map(({ send }) => ({
      kind: 'unseen',
      what: `${send.key} @${send.offset ?? 'unknown'}: ${send.value} of ${nameOf(send.transaction)}`,
    }));
}

/** One part of a transaction is read, another never. */
export function tornTransactions(facts: Facts): Anomaly[] {
  const torn = new Map<Send['transaction'], Send[]>();
  for (const { send, isPassed } of missing(facts)) {
    const { transaction } = send;
    if (!transaction.isAtomic || !(isPassed || facts.isComplete)) continue;
    if (!transaction.sends.some(({ value }) => facts.seenAtUs.has(value))) continue;
    const parts = torn.get(transaction);
    if (parts === undefined) torn.set(transaction, [send]);
    else parts.push(send);
  }
  return [...torn].map(([transaction, parts]) => ({
    kind: 'torn-transaction',
    what: `${nameOf(transaction)}: ${parts.length} of ${transaction.sends.length} writes are missing, first ${parts[0]!.key}`,
  }));
}

/**
 * A producer whose transactional id another one has initialised since: from that answer on, nothing that the older one
 * asks to commit may become visible. A transaction that writes nothing is ended by the client alone, and does not count.
 */
export function zombies(facts: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  const initsById = Map.groupBy(facts.inits, ({ id }) => id);
  const initByProducer = new Map(facts.inits.map((init) => [init.producer, init]));
  for (const transaction of facts.transactions) {
    const own = initByProducer.get(transaction.producer ?? '');
    const writes = transaction.sends.length > 0 || transaction.offsets !== undefined;
    if (own === undefined || !writes || !isCommitted(facts, transaction)) continue;
    const sinceUs = transaction.commitAtUs ?? transaction.invokedAtUs;
    // Of two inits at the same time nobody can say which one is newer.
    const newer = initsById
      .get(own.id)!
      .find((init) => init.invokedAtUs > own.endedAtUs && init.endedAtUs < sinceUs);
    if (newer === undefined) continue;
    found.push({
      kind: 'zombie',
      what: `${nameOf(transaction)} is committed, though ${newer.producer} was there before`,
    });
  }
  return found;
}

/** At the end no transaction is open, so the last stable offset is the end of the log. */
export function stuckStableOffsets({ ends, isComplete }: Facts): Anomaly[] {
  if (!isComplete) return [];
  const latest = (isolation: string): Readonly<Record<string, number>> =>
    ends.findLast((line) => line.isolation === isolation)?.offsets ?? {};
  const stable = latest('read_committed');
  return Object.entries(latest('read_uncommitted'))
    .filter(([key, end]) => stable[key] !== end)
    .map(([key, end]) => ({
      kind: 'stuck-lso',
      what: `${key}: the last stable offset is ${stable[key]}, the end is ${end}`,
    }));
}

/** A write that was committed must be read within a time, in which the broker's outages do not count. */
export function lags(facts: Facts, { lagMsMax }: { readonly lagMsMax: number }): Anomaly[] {
  const found: Anomaly[] = [];
  for (const transaction of facts.transactions) {
    if (transaction.outcome !== 'ok') continue;
    for (const { key, value } of transaction.sends) {
      const seenUs = facts.seenAtUs.get(value);
      if (seenUs === undefined || seenUs - transaction.endedAtUs <= lagMsMax * 1000) continue;
      let lagUs = seenUs - transaction.endedAtUs;
      for (const { fromUs, toUs } of facts.outages) {
        lagUs -= Math.max(0, Math.min(toUs, seenUs) - Math.max(fromUs, transaction.endedAtUs));
      }
      if (lagUs <= lagMsMax * 1000) continue;
      const what = `${key}: ${value} of ${nameOf(transaction)} was read ${Math.round(lagUs / 1000)} ms later`;
      found.push({ kind: 'lag', what });
    }
  }
  return found;
}

/** Committed writes that nobody has read; `isPassed`: something behind them was. */
function missing(facts: Facts): { readonly send: Send; readonly isPassed: boolean }[] {
  const found: { send: Send; isPassed: boolean }[] = [];
  for (const transaction of facts.transactions) {
    if (!isCommitted(facts, transaction)) continue;
    for (const send of transaction.sends) {
      if (facts.seenAtUs.has(send.value)) continue;
      const seenMax = facts.keys.get(send.key)?.seenMax ?? -1;
      found.push({ send, isPassed: send.offset !== undefined && send.offset < seenMax });
    }
  }
  return found;
}
