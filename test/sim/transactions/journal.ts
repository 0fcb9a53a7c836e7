/** What the clients of a transactional world did and were told, written down as a history of the workload's checks. */
import type { Line, TransactionLine } from '../../workload/history.ts';

type Told<L extends Line> = L extends Line ? Omit<L, 'atUs' | 'process'> : never;

export class Journal {
  readonly lines: Line[] = [];
  readonly #nowMs: () => number;
  readonly #last = { value: 0, producer: 0, consumer: 0 };

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A line is later than all before it, as if they were written through one clock. */
  get nowUs(): number {
    return Math.max(Math.round(this.#nowMs() * 1000), (this.lines.at(-1)?.atUs ?? 0) + 1);
  }

  note(process: string, told: Told<Line>): void {
    this.lines.push({ atUs: this.nowUs, process, ...told } as Line);
  }

  nextValue(): number {
    return ++this.#last.value;
  }

  nextProducer(id: string): string {
    return `${id}#${++this.#last.producer}`;
  }

  nextConsumer(): string {
    return `c${++this.#last.consumer}`;
  }

  /** Transactions that ended so. */
  count(type: TransactionLine['type']): number {
    return this.lines.filter((line) => line.f === 'txn' && line.type === type).length;
  }
}

/** A partition as the checks know it. */
export function keyOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

export function partitionOf(key: string): { readonly topic: string; readonly partition: number } {
  const dash = key.lastIndexOf('-');
  return { topic: key.slice(0, dash), partition: Number(key.slice(dash + 1)) };
}
