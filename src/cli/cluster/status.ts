/** `headrace cluster status`: brokers with what they hold, and what is not as it should be. */
import type { Timers } from '../../base/ports.ts';
import type { ClusterAdmin } from './cluster-admin.ts';
import { nameOf } from './cluster-state.ts';
import type { Terminal } from './rebalance.ts';
import { survey, type Survey } from './survey.ts';
import { bytes, table } from '../table.ts';

/** Partitions that are named one by one. */
const NAMED_MAX = 10;

export async function status(
  { json }: { readonly json: boolean },
  {
    admin,
    terminal,
    timers,
  }: { readonly admin: ClusterAdmin; readonly terminal: Terminal; readonly timers: Timers },
): Promise<void> {
  const found = summary(await survey(admin, { sampleMs: 0, timers }));
  terminal.write(json ? `${JSON.stringify(found)}\n` : describe(found));
}

type Summary = ReturnType<typeof summary>;

function summary({ cluster, partitions, moving, disks }: Survey) {
  return {
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerId,
    brokers: cluster.brokers.map(({ id, host, port, rack, isFenced }) => ({
      id,
      address: `${host}:${port}`,
      rack,
      state: isFenced ? 'away' : disks.has(id) ? 'alive' : 'silent',
      leaders: partitions.filter(({ leader }) => leader === id).length,
      replicas: partitions.filter(({ replicas }) => replicas.includes(id)).length,
      sizeBytes: [...(disks.get(id)?.sizes.values() ?? [])].reduce((sum, size) => sum + size, 0),
      usableBytes: disks.get(id)?.usableBytes ?? null,
      failedDirectories: disks.get(id)?.failed ?? [],
    })),
    partitions: partitions.length,
    offline: partitions.filter(({ leader }) => leader < 0).map(nameOf),
    underReplicated: partitions.filter(({ isr, replicas }) => isr.length < replicas.length).map(nameOf),
    notPreferred: partitions.filter(({ leader, replicas }) => leader >= 0 && leader !== replicas[0]).length,
    moving: moving.map((one) => ({ partition: nameOf(one), adding: one.adding, removing: one.removing })),
  };
}

function describe(found: Summary): string {
  const head = ['broker', 'address', 'rack', 'state', 'leaders', 'replicas', 'size', 'free'];
  const rows = found.brokers.map((broker) => [
    broker.id === found.controllerId ? `${broker.id}*` : String(broker.id),
    broker.address,
    broker.rack ?? '-',
    broker.state,
    broker.leaders,
    broker.replicas,
    broker.state === 'alive' ? bytes(broker.sizeBytes) : '-',
    broker.usableBytes === null ? '-' : bytes(broker.usableBytes),
  ]);
  const lines = [
    `cluster ${found.clusterId}, ${found.partitions} partitions\n`,
    table(head, rows),
    named('without a leader', found.offline),
    named('not fully in sync', found.underReplicated),
    named(
      'moving',
      found.moving.map(({ partition }) => partition),
    ),
  ];
  const failed = found.brokers.flatMap(({ id, failedDirectories }) =>
    failedDirectories.map((path) => `${path} of broker ${id}`),
  );
  if (failed.length > 0) lines.push(named('log directories that have failed', failed));
  if (found.notPreferred > 0) lines.push(`${found.notPreferred} led by another than the preferred replica\n`);
  return lines.join('');
}

function named(what: string, names: readonly string[]): string {
  if (names.length === 0) return `none ${what}\n`;
  const some = names.slice(0, NAMED_MAX).join(', ');
  return `${names.length} ${what}: ${some}${names.length > NAMED_MAX ? ', ...' : ''}\n`;
}
