/**
 * Maps that know two moments: the latest state, which decides about the next write, and the state as of the committed
 * offset, which is what readers may see. Every change is noted in the shard's journal under the offset of the record that
 * made it; committing forgets notes from the front, a failed append undoes them from the back. Values are replaced, never
 * changed in place. (Kafka has timeline data structures for the same purpose.)
 */
import { assert } from '../base/assert.ts';

interface Note {
  readonly offset: number;
  readonly map: VersionedMap<unknown, unknown>;
  readonly key: unknown;
  readonly before: unknown;
  readonly after: unknown;
}

/** What has changed since the committed offset, in the order in which it changed. */
export class Journal {
  #notes: Note[] = [];
  /** Notes before this position are committed; they are cut off once there are many of them. */
  #first = 0;
  /** Notes that were cut off: makes marks independent of the cutting. */
  #cut = 0;
  #offset = 0;
  #committedOffset = 0;

  /** Changes from here on belong to the record at `offset`. */
  at(offset: number): void {
    this.#offset = offset;
  }

  /** Everything below this offset is committed. */
  get committedOffset(): number {
    return this.#committedOffset;
  }

  /** The number of changes that are not committed. */
  get size(): number {
    return this.#notes.length - this.#first;
  }

  /** Used by VersionedMap. False: the change is committed already, no note is kept. */
  note(map: VersionedMap<unknown, unknown>, key: unknown, before: unknown, after: unknown): boolean {
    if (this.#offset < this.#committedOffset) return false;
    this.#notes.push({ offset: this.#offset, map, key, before, after });
    return true;
  }

  /** Records below `offset` are committed. An offset that is not ahead changes nothing. */
  commitTo(offset: number): void {
    if (offset <= this.#committedOffset) return;
    this.#committedOffset = offset;
    while (this.#first < this.#notes.length && this.#notes[this.#first].offset < offset) {
      const { map, key, after } = this.#notes[this.#first++];
      map.settle(key, after);
    }
    if (this.#first > 1024 || this.#first === this.#notes.length) {
      this.#notes.splice(0, this.#first);
      this.#cut += this.#first;
      this.#first = 0;
    }
  }

  /** Undoes what the records from `offset` on did. */
  rollBackTo(offset: number): void {
    assert(offset >= this.#committedOffset, 'committed changes are never undone');
    while (this.size > 0 && this.#notes[this.#notes.length - 1].offset >= offset) {
      const { map, key, before } = this.#notes.pop()!;
      map.restore(key, before);
    }
  }

  /** A place to return to when a single operation fails halfway. */
  mark(): number {
    return this.#cut + this.#notes.length;
  }

  undoTo(mark: number): void {
    while (this.size > 0 && this.#cut + this.#notes.length > mark) {
      const { map, key, before } = this.#notes.pop()!;
      map.restore(key, before);
    }
  }
}

interface Pending<V> {
  /** The value as of the committed offset; undefined: there was none. */
  committed: V | undefined;
  /** Notes about this key in the journal. */
  count: number;
}

/** A Map with a committed view. `undefined` is no value: setting it deletes. */
export class VersionedMap<K, V> {
  readonly #journal: Journal;
  readonly #latest = new Map<K, V>();
  readonly #pending = new Map<K, Pending<V>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get(key: K): V | undefined {
    return this.#latest.get(key);
  }

  has(key: K): boolean {
    return this.#latest.has(key);
  }

  get size(): number {
    return this.#latest.size;
  }

  keys(): MapIterator<K> {
    return this.#latest.keys();
  }

  values(): MapIterator<V> {
    return this.#latest.values();
  }

  entries(): MapIterator<[K, V]> {
    return this.#latest.entries();
  }

  set(key: K, value: V | undefined): void {
    const before = this.#latest.get(key);
    if (before === undefined && value === undefined) return;
    if (this.#journal.note(this as VersionedMap<unknown, unknown>, key, before, value)) {
      const pending = this.#pending.get(key);
      if (pending === undefined) this.#pending.set(key, { committed: before, count: 1 });
      else pending.count++;
    }
    this.#put(key, value);
  }

  delete(key: K): void {
    this.set(key, undefined);
  }

  /** As of the committed offset. */
  getCommitted(key: K): V | undefined {
    const pending = this.#pending.get(key);
    return pending === undefined ? this.#latest.get(key) : pending.committed;
  }

  /** All entries as of the committed offset. */
  *committedEntries(): IterableIterator<[K, V]> {
    for (const [key, { committed }] of this.#pending) if (committed !== undefined) yield [key, committed];
    for (const entry of this.#latest) if (!this.#pending.has(entry[0])) yield entry;
  }

  /** Nothing in it in either view: it can be dropped. */
  get isVacant(): boolean {
    return this.#latest.size === 0 && this.#pending.size === 0;
  }

  /** Used by Journal: the oldest note about `key` has become committed. */
  settle(key: K, value: V | undefined): void {
    const pending = this.#pending.get(key)!;
    if (--pending.count === 0) this.#pending.delete(key);
    else pending.committed = value;
  }

  /** Used by Journal: the newest note about `key` is undone. */
  restore(key: K, value: V | undefined): void {
    const pending = this.#pending.get(key)!;
    if (--pending.count === 0) this.#pending.delete(key);
    this.#put(key, value);
  }

  #put(key: K, value: V | undefined): void {
    if (value === undefined) this.#latest.delete(key);
    else this.#latest.set(key, value);
  }
}
