/** Offsets that are committed in transactions: every input is processed once, and what a group has committed holds. */
import { type Anomaly, type Facts, isCommitted, nameOf, type Transaction } from '../facts.ts';
import type { CommitLine } from '../history.ts';
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
  for (const { group, offsets } of facts.commits) {
    for (const [key, offset] of Object.entries(offsets)) {
      const known = possible.get(`${group} ${key}`);
      if (known === undefined) possible.set(`${group} ${key}`, new Set([offset]));
      else known.add(offset);
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

/** What members commit never goes back, neither in the order of commits nor in what the group is told later. */
export function memberCommits({ commits, committed }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  const events: {
    readonly atUs: number;
    readonly check: boolean;
    readonly offsets: CommitLine['offsets'];
    group: string;
  }[] = [];
  for (const { type, group, offsets, sinceUs, atUs } of commits) {
    if (type !== 'ok') continue;
    events.push({ atUs: sinceUs, check: true, offsets, group }, { atUs, check: false, offsets, group });
  }
  for (const { group, offsets, sinceUs } of committed)
    events.push({ atUs: sinceUs, check: true, offsets, group });
  const least = new Map<string, number>();
  for (const { check, offsets, group } of events.sort((one, other) => one.atUs - other.atUs)) {
    for (const [key, offset] of Object.entries(offsets)) {
      const line = `${group} ${key}`;
      const before = least.get(line) ?? 0;
      if (!check) least.set(line, Math.max(before, offset));
      else if (offset < before) {
        found.push({
          kind: 'member-commit-back',
          what: `${line}: ${offset}, though ${before} was committed`,
        });
      }
    }
  }
  return found;
}

/** In one generation of a group a key belongs to one member. */
export function sharedKeys({ owned }: Facts): Anomaly[] {
  const found: Anomaly[] = [];
  const owners = new Map<string, string>();
  for (const { group, generation, member, keys } of owned) {
    for (const key of keys) {
      const line = `${group} ${key} in generation ${generation}`;
      const before = owners.get(line);
      if (before === undefined) owners.set(line, member);
      else if (before !== member)
        found.push({ kind: 'two-owners', what: `${line}: ${before} and ${member}` });
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
