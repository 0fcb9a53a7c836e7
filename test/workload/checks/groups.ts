/** Offsets that are committed in transactions: every input is processed once, and what a group has committed holds. */
import { type Anomaly, type Facts, isCommitted, nameOf, type Transaction } from '../facts.ts';
import { firstAtOrAfter } from './order.ts';

interface Range {
  readonly transaction: Transaction;
  readonly from: number;
  readonly to: number;
}

/** The committed ranges of a group and key follow each other: none twice, and nothing between them that is there to read. */
export function processedOnce(facts: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  for (const [line, ranges] of rangesOf(facts)) {
    const seen = [...(facts.keys.get(line.slice(line.indexOf(' ') + 1))?.seen ?? [])].sort(
      (one, other) => one - other,
    );
    let before: Range | undefined;
    for (const range of ranges.sort((one, other) => one.from - other.from || one.to - other.to)) {
      if (before !== undefined && range.from < before.to) {
        const what = `${line}: ${range.from}..${range.to} by ${nameOf(range.transaction)} and ..${before.to} before`;
        found.push({ kind: 'processed-twice', what });
      }
      const position = before?.to ?? 0;
      const left = firstAtOrAfter(seen, position);
      if (left !== undefined && left < range.from) {
        const what = `${line}: @${left}, before ${range.from}..${range.to} by ${nameOf(range.transaction)}`;
        found.push({ kind: 'never-processed', what });
      }
      if (before === undefined || range.to > before.to) before = range;
    }
  }
  return found;
}

/** What a group is told to have committed: never less than was committed before it asked, never what nobody committed. */
export function groupOffsets(facts: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  const ranges = rangesOf(facts);
  const possible = new Map<string, Set<number>>();
  for (const { offsets, outcome } of facts.transactions) {
    if (offsets === undefined || outcome === 'fail') continue;
    for (const [key, [, to]] of Object.entries(offsets.ranges)) {
      const line = `${offsets.group} ${key}`;
      const known = possible.get(line);
      if (known === undefined) possible.set(line, new Set([to]));
      else known.add(to);
    }
  }
  const told = new Map<string, { readonly atUs: number; readonly offset: number }[]>();
  for (const { group, offsets, sinceUs, atUs } of facts.committed) {
    for (const [key, offset] of Object.entries(offsets)) {
      const line = `${group} ${key}`;
      let least = 0;
      for (const { transaction, to } of ranges.get(line) ?? []) {
        if (transaction.outcome === 'ok' && transaction.endedAtUs < sinceUs) least = Math.max(least, to);
      }
      for (const before of told.get(line) ?? []) {
        if (before.atUs < sinceUs) least = Math.max(least, before.offset);
      }
      if (offset < least) {
        found.push({ kind: 'group-offset-back', what: `${line}: ${offset}, though ${least} was committed` });
      } else if (offset > 0 && !possible.get(line)?.has(offset)) {
        found.push({ kind: 'group-offset-phantom', what: `${line}: nobody has committed ${offset}` });
      }
      const known = told.get(line);
      if (known === undefined) told.set(line, [{ atUs, offset }]);
      else known.push({ atUs, offset });
    }
  }
  return found;
}

/** By group and key, of transactions that are committed for certain. */
function rangesOf(facts: Facts): Map<string, Range[]> {
  const ranges = new Map<string, Range[]>();
  for (const transaction of facts.transactions) {
    const { offsets } = transaction;
    if (offsets === undefined || !isCommitted(facts, transaction)) continue;
    for (const [key, [from, to]] of Object.entries(offsets.ranges)) {
      const line = `${offsets.group} ${key}`;
      const known = ranges.get(line);
      if (known === undefined) ranges.set(line, [{ transaction, from, to }]);
      else known.push({ transaction, from, to });
    }
  }
  return ranges;
}
