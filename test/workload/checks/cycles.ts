/**
 * G1c: transactions that read each other's writes in a circle, so that none of them can have been first. Only edges from
 * writer to reader count: writes of several transactions may lie mixed in Kafka's logs, so their order proves nothing.
 */
import { type Anomaly, type Facts, nameOf, type Transaction } from '../facts.ts';

export function readCycles(facts: Facts): Anomaly[] {
  const readers = new Map<Transaction, Set<Transaction>>();
  for (const reader of facts.transactions) {
    if (facts.consumers.get(reader.consumer ?? '')?.isolation !== 'read_committed') continue;
    for (const poll of reader.polls) {
      for (const [, value] of Object.values(poll).flat()) {
        const writer = facts.sends.get(value)?.transaction;
        if (writer === undefined || writer === reader) continue;
        const known = readers.get(writer);
        if (known === undefined) readers.set(writer, new Set([reader]));
        else known.add(reader);
      }
    }
  }
  return components(readers).map((circle) => ({
    kind: 'G1c',
    what: `${circle.length} transactions read in a circle: ${circle.slice(0, 4).map(nameOf).join('; ')}`,
  }));
}

interface Visit {
  readonly node: Transaction;
  readonly rest: Iterator<Transaction>;
}

/** Strongly connected components of more than one node (Tarjan 1972), without recursion: chains may be long. */
function components(edges: ReadonlyMap<Transaction, ReadonlySet<Transaction>>): Transaction[][] {
  const found: Transaction[][] = [];
  const order = new Map<Transaction, number>();
  const low = new Map<Transaction, number>();
  const stack: Transaction[] = [];
  const onStack = new Set<Transaction>();
  const visits: Visit[] = [];
  const lower = (node: Transaction, to: number): void => {
    low.set(node, Math.min(low.get(node)!, to));
  };
  const enter = (node: Transaction): void => {
    order.set(node, order.size);
    low.set(node, order.get(node)!);
    stack.push(node);
    onStack.add(node);
    visits.push({ node, rest: (edges.get(node) ?? []).values() });
  };
  const leave = (node: Transaction): void => {
    visits.pop();
    const parent = visits.at(-1)?.node;
    if (parent !== undefined) lower(parent, low.get(node)!);
    if (low.get(node) !== order.get(node)) return;
    const component = stack.splice(stack.lastIndexOf(node));
    for (const one of component) onStack.delete(one);
    if (component.length > 1) found.push(component);
  };
  for (const root of edges.keys()) {
    if (order.has(root)) continue;
    enter(root);
    while (visits.length > 0) {
      const { node, rest } = visits.at(-1)!;
      const next = rest.next();
      if (next.done === true) leave(node);
      else if (!order.has(next.value)) enter(next.value);
      else if (onStack.has(next.value)) lower(node, order.get(next.value)!);
    }
  }
  return found;
}
