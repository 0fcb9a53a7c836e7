/**
 * Evening out who leads, without copying anything: the preferred leader of a partition becomes another of its replicas. Where
 * a broker with too many shares no partition with one that has too few, leaderships are handed on along a chain of brokers.
 */

export interface ShiftOptions {
  /** Brokers that lead. */
  readonly sharing: readonly number[];
  /** How many more, or fewer, than the average a broker may lead. */
  readonly tolerance: number;
}

/** The replicas of each partition in their new order: the same sets. */
export function shiftLeaders(
  partitions: readonly (readonly number[])[],
  { sharing, tolerance }: ShiftOptions,
): readonly (readonly number[])[] {
  const orders = [...partitions];
  const counts = new Map(sharing.map((id) => [id, 0]));
  /** What each broker leads. */
  const led = new Map<number, Set<number>>(sharing.map((id) => [id, new Set()]));
  for (const [index, [leader]] of orders.entries()) {
    if (leader === undefined || !counts.has(leader)) continue;
    counts.set(leader, counts.get(leader)! + 1);
    led.get(leader)!.add(index);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const average = total / Math.max(1, sharing.length);

  const shift = (
    path: readonly { readonly partition: number; readonly to: number }[],
    from: number,
  ): void => {
    let giver = from;
    for (const { partition, to } of path) {
      const order = orders[partition]!;
      orders[partition] = [to, ...order.filter((id) => id !== to)];
      led.get(giver)!.delete(partition);
      led.get(to)!.add(partition);
      giver = to;
    }
    counts.set(from, counts.get(from)! - 1);
    counts.set(giver, counts.get(giver)! + 1);
  };

  for (;;) {
    const byCount = [...sharing].sort((a, b) => counts.get(b)! - counts.get(a)! || a - b);
    let isShifted = false;
    for (const from of byCount) {
      const isTooMany = counts.get(from)! - average > tolerance;
      // One that is not above the tolerance gives only to who is below it.
      const isTaker = (id: number): boolean => {
        const isEven = counts.get(id)! + 1 < counts.get(from)!;
        return isEven && (isTooMany || average - counts.get(id)! > tolerance);
      };
      const path = shortestPath(from, isTaker, { led, orders, isSharing: (id) => counts.has(id) });
      if (path === undefined) continue;
      shift(path, from);
      isShifted = true;
      break;
    }
    if (!isShifted) return orders;
  }
}

interface Leaderships {
  readonly led: ReadonlyMap<number, ReadonlySet<number>>;
  readonly orders: readonly (readonly number[])[];
  readonly isSharing: (id: number) => boolean;
}

/** Leaderships to hand on, one broker after the other, until one takes and keeps it. */
function shortestPath(
  from: number,
  isTaker: (id: number) => boolean,
  { led, orders, isSharing }: Leaderships,
): { partition: number; to: number }[] | undefined {
  const reached = new Map<number, { readonly partition: number; readonly by: number }>();
  const queue = [from];
  for (let at = 0; at < queue.length; at++) {
    const giver = queue[at]!;
    for (const partition of led.get(giver)!) {
      for (const to of orders[partition]!) {
        if (to === from || !isSharing(to) || reached.has(to)) continue;
        reached.set(to, { partition, by: giver });
        if (isTaker(to)) return pathTo(to, from, reached);
        queue.push(to);
      }
    }
  }
  return undefined;
}

function pathTo(
  taker: number,
  from: number,
  reached: ReadonlyMap<number, { readonly partition: number; readonly by: number }>,
): { partition: number; to: number }[] {
  const path: { partition: number; to: number }[] = [];
  for (let at = taker; at !== from;) {
    const { partition, by } = reached.get(at)!;
    path.unshift({ partition, to: at });
    at = by;
  }
  return path;
}
