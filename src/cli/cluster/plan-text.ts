/** A plan as people and as scripts read it. */
import type { BrokerInfo } from './cluster-admin.ts';
import type { Progress } from './apply.ts';
import { nameOf, type Move } from './cluster-state.ts';
import type { InternalTopics } from './internal-topics.ts';
import { NO_LOAD, type Load } from './load.ts';
import type { Plan } from './plan.ts';
import { bytes, duration, table } from '../table.ts';

/** Moves that are shown one by one; the rest is counted. */
const MOVES_SHOWN_MAX = 40;

export interface PlanView {
  readonly plan: Plan;
  readonly underWay: readonly Move[];
  readonly removing: ReadonlySet<number>;
  readonly internal: InternalTopics;
}

export function describePlan(view: PlanView & { readonly brokers: readonly BrokerInfo[] }): string {
  const { plan, underWay, removing, internal, brokers } = view;
  const parts: string[] = [];
  if (underWay.length > 0) parts.push(`${summary(underWay)} already under way\n`);
  if (plan.moves.length === 0) parts.push(`the cluster is balanced: nothing has to move\n`);
  else {
    parts.push(`${summary(plan.moves)}\n\n${movesTable(plan.moves)}\n`);
    parts.push(brokersTable(view.plan, { brokers, removing }));
  }
  for (const [topic, factor] of internal.factors) {
    parts.push(`${topic} gets ${factor} replicas, now that there are brokers for them\n`);
  }
  for (const { name, config, value } of internal.minimums)
    parts.push(`${name} gets ${config}=${value} then\n`);
  for (const note of plan.notes) parts.push(`note: ${note}\n`);
  return parts.join('');
}

function summary(moves: readonly Move[]): string {
  const copying = moves.filter(({ from, to }) => to.some((id) => !from.includes(id)));
  const total = moves.reduce((sum, move) => sum + move.bytes, 0);
  const reordered = moves.filter(({ from, to }) => [...from].sort().join() === [...to].sort().join()).length;
  const others = moves.length - copying.length - reordered;
  const texts = [`${copying.length} partitions to move, ${bytes(total)} to copy`];
  if (others > 0) texts.push(`${others} with fewer replicas`);
  if (reordered > 0) texts.push(`${reordered} with another leader`);
  return texts.join(', ');
}

function movesTable(moves: readonly Move[]): string {
  const largestFirst = [...moves].sort((a, b) => b.bytes - a.bytes).slice(0, MOVES_SHOWN_MAX);
  const rows = largestFirst.map((move) => [
    nameOf(move),
    move.from.join(),
    move.to.join(),
    bytes(move.bytes),
  ]);
  const more = moves.length - largestFirst.length;
  return table(['partition', 'from', 'to', 'copied'], rows) + (more > 0 ? `  and ${more} more\n` : '');
}

function brokersTable(
  { before, after }: Plan,
  { brokers, removing }: { readonly brokers: readonly BrokerInfo[]; readonly removing: ReadonlySet<number> },
): string {
  const rows = brokers.map(({ id, rack, isFenced }) => {
    const [was, is] = [before.get(id) ?? NO_LOAD, after.get(id) ?? NO_LOAD];
    const state = removing.has(id) ? 'to go' : isFenced ? 'away' : '';
    return [
      id,
      rack ?? '-',
      was.replicas,
      is.replicas,
      was.leaders,
      is.leaders,
      bytes(was.bytes),
      bytes(is.bytes),
      state,
    ];
  });
  const head = ['broker', 'rack', 'replicas', 'after', 'leaders', 'after', 'size', 'after', ''];
  return `${table(head, rows)}\n`;
}

export function planAsJson({ plan, underWay, removing, internal }: PlanView): object {
  return {
    moves: plan.moves,
    bytes: plan.moves.reduce((sum, move) => sum + move.bytes, 0),
    underWay,
    removing: [...removing],
    brokers: {
      before: Object.fromEntries<Load>(plan.before),
      after: Object.fromEntries<Load>(plan.after),
    },
    imbalance: { before: plan.costBefore, after: plan.costAfter },
    replicationFactors: Object.fromEntries(internal.factors),
    configs: internal.minimums.map(({ name, config, value }) => ({ topic: name, config, value })),
    notes: plan.notes,
  };
}

export function progressLine(progress: Progress): string {
  const { moves, movesDone, movesUnderWay, bytes: all, bytesDone, bytesPerSecond, remainingMs } = progress;
  const percent =
    all > 0 ? Math.floor((100 * bytesDone) / all) : Math.floor((100 * movesDone) / Math.max(1, moves));
  const left = remainingMs === undefined ? '' : `, about ${duration(remainingMs)} left`;
  return (
    `${percent} %: ${movesDone} of ${moves} partitions, ${movesUnderWay} under way, ` +
    `${bytes(bytesDone)} of ${bytes(all)}, ${bytes(bytesPerSecond)}/s${left}`
  );
}
