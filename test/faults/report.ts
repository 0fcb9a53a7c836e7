/** A run in numbers: what was done, and how long nothing could be written, by kind of fault. */
import { summary } from '../workload/checks.ts';
import { quantile } from './acknowledgements.ts';
import type { Outcome, Round } from './drive.ts';

export function report({ rounds, counts, acknowledged, seconds, stalledMs, anomalies }: Outcome): string[] {
  const single = Map.groupBy(rounds, ({ kinds }) => (kinds.length === 1 ? kinds[0]! : 'two at a time'));
  const kinds = Map.groupBy(rounds.flatMap((round) => round.kinds).toSorted(), (kind) => kind);
  return [
    `${seconds} s (the machine stood still for ${Math.round(stalledMs)} ms of it), ${rounds.length} rounds of faults, ` +
      `${acknowledged} records acknowledged to plain senders, ${counts['sent']} sent by all, ${counts['seen']} read`,
    `transactions: ${counts['committed']} committed, ${counts['aborted']} aborted, ${counts['unknown']} unknown, ` +
      `${counts['withOffsets']} with offsets, ${counts['inits']} producers`,
    `faults: ${[...kinds].map(([kind, all]) => `${kind} ${all.length}`).join(', ')}`,
    'ms without an acknowledged write, by partition: p50, p99, longest of the first write after the fault | ' +
      'of the longest gap | of the first write after its end | ' +
      'until all brokers are up, p50 and longest | until all are in sync, p50 and longest',
    ...[...single].sort(([one], [other]) => one.localeCompare(other)).map(([kind, all]) => line(kind, all)),
    line('all', rounds),
    ...(anomalies.length === 0 ? ['no anomaly'] : summary(anomalies)),
  ];
}

function line(kind: string, rounds: readonly Round[]): string {
  const show = (values: readonly number[], ...shares: number[]): string =>
    shares.map((share) => String(Math.round(quantile(values, share))).padStart(6)).join(' ');
  const parts = (['firstMs', 'gapMs', 'healedMs'] as const).map((which) =>
    show(
      rounds.flatMap((round) => round[which]),
      0.5,
      0.99,
      1,
    ),
  );
  const inSync = rounds.map(({ inSyncMs }) => inSyncMs ?? Infinity);
  const starts = rounds.map(({ startMs }) => startMs);
  return (
    `${kind.padEnd(20)} x${String(rounds.length).padEnd(4)} ${parts.join(' | ')} | ` +
    `${show(starts, 0.5, 1)} | ${show(inSync, 0.5, 1)}`
  );
}
