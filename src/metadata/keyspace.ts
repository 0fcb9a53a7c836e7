/**
 * The state behind a metadata store, pure: keys with values and revisions in order, which keys belong to
 * which session, and the latest changes for those who watch. Semantics are etcd v3's: a transaction has one
 * revision, one that changes nothing has none, and an empty store is at revision 1.
 */
import type { Compare, KeyValue, Operation, RangeResult, WatchEvent } from '../base/ports.ts';
import { MetadataStoreError } from './store-error.ts';

export const OPERATIONS_PER_TXN_MAX = 128;
/** etcd's `--max-request-bytes` by default. */
export const TXN_BYTES_MAX = 1.5 * 1024 * 1024;
/** Changes kept for watches; who is further behind must range again. */
const HISTORY_REVISIONS_MAX = 16_384;

export interface Change {
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

/** A key and the session that it vanishes with. */
export interface StoredKey extends KeyValue {
  readonly sessionId: string | undefined;
}

export class Keyspace {
  #revision: number;
  readonly #entries = new Map<string, StoredKey>();
  /** The keys, ordered by UTF-16 units, which for ASCII is etcd's order. */
  readonly #order: string[];
  readonly #sessionKeys = new Map<string, Set<string>>();
  /** One item a revision, without gaps, the last being that of `revision`. */
  #history: Change[] = [];

  /** Without arguments: an empty keyspace, of which everything is known from its first revision on. */
  constructor(revision = 1, entries: readonly StoredKey[] = []) {
    this.#revision = revision;
    if (revision === 1) this.#history.push({ revision, events: [] });
    for (const entry of entries) this.#entries.set(entry.key, entry);
    for (const entry of entries) this.#own(entry);
    this.#order = [...this.#entries.keys()].sort();
  }

  get revision(): number {
    return this.#revision;
  }

  /** The earliest revision whose events are still known. */
  get firstRevision(): number {
    return this.#revision - this.#history.length + 1;
  }

  get(key: string): StoredKey | undefined {
    return this.#entries.get(key);
  }

  range(prefix: string): RangeResult {
    const entries: KeyValue[] = [];
    for (let index = this.#position(prefix); index < this.#order.length; index++) {
      const key = this.#order[index]!;
      if (!key.startsWith(prefix)) break;
      const { value, createRevision, modRevision } = this.#entries.get(key)!;
      entries.push({ key, value, createRevision, modRevision });
    }
    return { revision: this.#revision, entries };
  }

  /** Everything, with sessions, ordered by key. */
  *all(): Generator<StoredKey> {
    for (const key of this.#order) yield this.#entries.get(key)!;
  }

  holds(compares: readonly Compare[]): boolean {
    return compares.every((compare) => {
      const entry = this.#entries.get(compare.key);
      if ('modRevision' in compare) return (entry?.modRevision ?? 0) === compare.modRevision;
      return (entry?.createRevision ?? 0) === compare.createRevision;
    });
  }

  /** Applies all operations at the next revision. Undefined: they change nothing. Values are copied. */
  apply(operations: readonly Operation[]): Change | undefined {
    const revision = this.#revision + 1;
    const events: WatchEvent[] = [];
    for (const operation of operations) {
      const before = this.#entries.get(operation.key);
      if (before?.sessionId !== undefined) this.#sessionKeys.get(before.sessionId)!.delete(operation.key);
      if (operation.type === 'put') events.push(this.#put(operation, before, revision));
      else if (before !== undefined) events.push(this.#delete(before, revision));
    }
    if (events.length === 0) return undefined;
    this.#revision = revision;
    const change = { revision, events };
    this.#history.push(change);
    if (this.#history.length >= 2 * HISTORY_REVISIONS_MAX)
      this.#history = this.#history.slice(-HISTORY_REVISIONS_MAX);
    return change;
  }

  keysOf(sessionId: string): string[] {
    return [...(this.#sessionKeys.get(sessionId) ?? [])];
  }

  /** The change at `revision`, which must be from `firstRevision` to `revision`. */
  change(revision: number): Change {
    return this.#history[revision - this.firstRevision]!;
  }

  /** Forgets the events before `revision`. */
  compact(revision: number): void {
    const count = Math.min(revision - this.firstRevision, this.#history.length);
    if (count > 0) this.#history.splice(0, count);
  }

  #put(operation: Operation & { type: 'put' }, before: StoredKey | undefined, revision: number): WatchEvent {
    const { key, sessionId } = operation;
    const value = Buffer.from(operation.value);
    const createRevision = before?.createRevision ?? revision;
    if (before === undefined) this.#order.splice(this.#position(key), 0, key);
    const entry = { key, value, createRevision, modRevision: revision, sessionId };
    this.#entries.set(key, entry);
    this.#own(entry);
    return { key, value, createRevision, modRevision: revision };
  }

  #delete(before: StoredKey, revision: number): WatchEvent {
    const { key } = before;
    this.#entries.delete(key);
    this.#order.splice(this.#position(key), 1);
    return { key, value: undefined, createRevision: 0, modRevision: revision };
  }

  #own({ key, sessionId }: StoredKey): void {
    if (sessionId === undefined) return;
    const keys = this.#sessionKeys.get(sessionId);
    if (keys === undefined) this.#sessionKeys.set(sessionId, new Set([key]));
    else keys.add(key);
  }

  /** Where `key` is, or would be. */
  #position(key: string): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#order[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Throws MetadataStoreError `refused` for what etcd would not take either: too much, or one key twice. */
export function checkTxn(compares: readonly Compare[], operations: readonly Operation[]): void {
  if (Math.max(compares.length, operations.length) > OPERATIONS_PER_TXN_MAX) {
    throw new MetadataStoreError('refused', `a transaction has at most ${OPERATIONS_PER_TXN_MAX} operations`);
  }
  const keys = new Set<string>();
  let bytes = 0;
  for (const operation of operations) {
    if (operation.key === '') throw new MetadataStoreError('refused', 'a key is not empty');
    if (keys.has(operation.key)) throw new MetadataStoreError('refused', 'a transaction changes a key once');
    keys.add(operation.key);
    bytes += Buffer.byteLength(operation.key) + (operation.type === 'put' ? operation.value.length : 0);
  }
  if (bytes > TXN_BYTES_MAX) {
    throw new MetadataStoreError('refused', `a transaction has at most ${TXN_BYTES_MAX} bytes`);
  }
}
