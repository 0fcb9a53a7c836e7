/**
 * All checks of a history, and what it holds in numbers. What Kafka allows is not looked for: writes of several
 * transactions mixed in one log (G0), and other writes between those of a transaction.
 */
import { readCycles } from './checks/cycles.ts';
import { groupOffsets, memberCommits, processedOnce, sharedKeys } from './checks/groups.ts';
import { pollOrder, sendOrder } from './checks/order.ts';
import {
  abortedReads,
  duplicates,
  inconsistentOffsets,
  phantoms,
  precommittedReads,
  uncommittedReads,
} from './checks/values.ts';
import {
  lags,
  lostWrites,
  stuckStableOffsets,
  tornTransactions,
  unseenWrites,
  zombies,
} from './checks/visibility.ts';
import { type Anomaly, type Facts, gatherFacts } from './facts.ts';
import type { Line } from './history.ts';

const CHECKS: readonly ((facts: Facts) => Anomaly[])[] = [
  inconsistentOffsets,
  duplicates,
  phantoms,
  abortedReads,
  precommittedReads,
  uncommittedReads,
  lostWrites,
  unseenWrites,
  tornTransactions,
  zombies,
  stuckStableOffsets,
  pollOrder,
  sendOrder,
  readCycles,
  processedOnce,
  groupOffsets,
  memberCommits,
  sharedKeys,
];

export interface Verdict {
  readonly anomalies: readonly Anomaly[];
  readonly counts: {
    readonly committed: number;
    readonly aborted: number;
    readonly unknown: number;
    /** Not in transactions. */
    readonly plainSends: number;
    readonly sent: number;
    readonly seen: number;
    readonly withOffsets: number;
    readonly inits: number;
    readonly outages: number;
  };
}

/** `lagMsMax`: how long after its commit a write may be unread, outages of the broker not counted. */
export function checkHistory(
  lines: readonly Line[],
  { lagMsMax = Infinity }: { lagMsMax?: number } = {},
): Verdict {
  const facts = gatherFacts(lines);
  const { transactions } = facts;
  const atomic = transactions.filter(({ isAtomic }) => isAtomic);
  const count = (outcome: string): number => atomic.filter((one) => one.outcome === outcome).length;
  return {
    anomalies: [...CHECKS.flatMap((check) => check(facts)), ...lags(facts, { lagMsMax })],
    counts: {
      committed: count('ok'),
      aborted: count('fail'),
      unknown: count('info'),
      plainSends: transactions.length - atomic.length,
      sent: facts.sends.size,
      seen: facts.seenAtUs.size,
      withOffsets: transactions.filter(({ offsets }) => offsets !== undefined).length,
      inits: facts.inits.length,
      outages: facts.outages.length,
    },
  };
}

/** A line for each kind: how often, and the first of them. */
export function summary(anomalies: readonly Anomaly[]): string[] {
  return [...Map.groupBy(anomalies, ({ kind }) => kind)].map(
    ([kind, all]) => `${kind}: ${all.length}, such as ${all[0]!.what}`,
  );
}
