/**
 * When plain senders had their answers, read from their histories while these are being written: how long each partition
 * takes no write after a fault, and after its end.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Line } from '../workload/history.ts';

const CHUNK_BYTES = 1024 * 1024;

interface Answered {
  readonly invokedAtUs: number;
  readonly atUs: number;
}

export class Acknowledgements {
  readonly #paths: () => readonly string[];
  readonly #places = new Map<string, { position: number; rest: string }>();
  readonly #open = new Map<string, number>();
  readonly #byKey = new Map<string, Answered[]>();
  records = 0;

  constructor(paths: () => readonly string[]) {
    this.#paths = paths;
  }

  /** Reads what has been written since. */
  refresh(): void {
    for (const path of this.#paths()) this.#read(path);
  }

  get keys(): string[] {
    return [...this.#byKey.keys()];
  }

  /** When a write to a key was first acknowledged at or after a time; with `isNew`, one that began then, too. */
  firstAfter(key: string, { sinceUs, isNew }: { sinceUs: number; isNew: boolean }): number | undefined {
    return this.#since(key, sinceUs).find((one) => !isNew || one.invokedAtUs >= sinceUs)?.atUs;
  }

  /** The longest time within a window in which no write to the key was acknowledged. */
  longestGapUs(key: string, { fromUs, toUs }: { fromUs: number; toUs: number }): number {
    let before = fromUs;
    let longest = 0;
    for (const { atUs } of this.#since(key, fromUs)) {
      const end = Math.min(atUs, toUs);
      longest = Math.max(longest, end - before);
      before = end;
      if (atUs >= toUs) return longest;
    }
    return Math.max(longest, toUs - before);
  }

  #since(key: string, sinceUs: number): Answered[] {
    const all = this.#byKey.get(key) ?? [];
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle]!.atUs < sinceUs) low = middle + 1;
      else high = middle;
    }
    return all.slice(low);
  }

  #read(path: string): void {
    let place = this.#places.get(path);
    if (place === undefined) this.#places.set(path, (place = { position: 0, rest: '' }));
    const file = openSync(path, 'r');
    const chunk = Buffer.alloc(CHUNK_BYTES);
    try {
      for (;;) {
        const size = readSync(file, chunk, 0, chunk.length, place.position);
        if (size === 0) return;
        place.position += size;
        const lines = (place.rest + chunk.toString('utf8', 0, size)).split('\n');
        place.rest = lines.pop()!;
        for (const line of lines) this.#take(line);
      }
    } finally {
      closeSync(file);
    }
  }

  #take(text: string): void {
    if (!/"f": ?"send"/.test(text)) return;
    const line = JSON.parse(text) as Line;
    if (line.f !== 'send') return;
    if (line.type === 'invoke') this.#open.set(line.process, line.atUs);
    if (line.type !== 'ok') return;
    const invokedAtUs = this.#open.get(line.process) ?? line.atUs;
    for (const key of new Set(line.steps.map(({ send }) => send[0]))) {
      const all = this.#byKey.get(key);
      if (all === undefined) this.#byKey.set(key, [{ invokedAtUs, atUs: line.atUs }]);
      else insert(all, { invokedAtUs, atUs: line.atUs });
    }
    this.records += line.steps.length;
  }
}

/** Several processes write to a key, and their files are read one after the other. */
function insert(all: Answered[], one: Answered): void {
  let at = all.length;
  while (at > 0 && all[at - 1]!.atUs > one.atUs) at--;
  all.splice(at, 0, one);
}

/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** The system's monotonic clock, as the clients read it. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
