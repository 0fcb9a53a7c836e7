/** What may stand at an offset, and who may see it: the checks of single values. */
import { type Anomaly, type Facts, nameOf } from '../facts.ts';

/** One offset of one key, two values, in acknowledgements or polls. */
export function inconsistentOffsets({ keys }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  for (const [key, { told }] of keys) {
    for (const [offset, values] of told) {
      if (values.size === 1) continue;
      found.push({ kind: 'inconsistent-offsets', what: `${key} @${offset}: ${[...values].join(', ')}` });
    }
  }
  return found;
}

/** One value at two offsets, or in two keys. */
export function duplicates({ keys }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  const places = new Map<number, string>();
  for (const [key, { told }] of keys) {
    for (const [offset, values] of told) {
      for (const value of values) {
        const before = places.get(value);
        if (before === undefined) places.set(value, `${key} @${offset}`);
        else found.push({ kind: 'duplicate', what: `${value} is at ${before} and at ${key} @${offset}` });
      }
    }
  }
  return found;
}

/** A value that nobody sent, or that was sent to another key. */
export function phantoms({ keys, sends }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  for (const [key, { told }] of keys) {
    for (const [offset, values] of told) {
      for (const value of values) {
        const sentTo = sends.get(value)?.key;
        if (sentTo === key) continue;
        const what = sentTo === undefined ? 'was never sent' : `was sent to ${sentTo}`;
        found.push({ kind: 'phantom', what: `${key} @${offset}: ${value} ${what}` });
      }
    }
  }
  return found;
}

/** G1a: a value of a transaction that certainly did not commit was read with read_committed. */
export function abortedReads({ sends, seenAtUs }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  for (const { value, key, transaction } of sends.values()) {
    if (transaction.outcome !== 'fail' || !seenAtUs.has(value)) continue;
    found.push({ kind: 'G1a', what: `${key}: ${value} of the aborted transaction ${nameOf(transaction)}` });
  }
  return found;
}

/** A transaction reads its own writes before it commits. */
export function precommittedReads({ transactions, sends, consumers }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  for (const transaction of transactions) {
    if (consumers.get(transaction.consumer ?? '')?.isolation !== 'read_committed') continue;
    for (const poll of transaction.polls) {
      for (const [key, records] of Object.entries(poll)) {
        for (const [offset, value] of records) {
          if (sends.get(value)?.transaction !== transaction) continue;
          found.push({
            kind: 'precommitted-read',
            what: `${nameOf(transaction)} reads its own ${key} @${offset}`,
          });
        }
      }
    }
  }
  return found;
}

/** Somebody else read it before the writer had asked to commit. */
export function uncommittedReads({ sends, seenAtUs }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  for (const { value, key, transaction } of sends.values()) {
    const { commitAtUs } = transaction;
    const seen = seenAtUs.get(value);
    if (seen === undefined || transaction.outcome === 'fail') continue;
    const since = commitAtUs ?? transaction.invokedAtUs;
    if (seen >= since) continue;
    const what = `${key}: ${value} of ${nameOf(transaction)} was read ${since - seen} us before its commit`;
    found.push({ kind: 'uncommitted-read', what });
  }
  return found;
}
