/**
 * Those who watch a keyspace. Each watch has a cursor into the keyspace's history and reads on from there
 * when it is woken, so a slow or late one costs nothing and can miss nothing: it gets each revision in order,
 * or learns that its next one is gone.
 */
import type { Watch, Watcher } from '../base/ports.ts';
import type { Change, Keyspace } from './keyspace.ts';
import { MetadataStoreError } from './store-error.ts';

interface WatchOptions {
  readonly prefix: string;
  readonly fromRevision: number;
  readonly watcher: Watcher;
  /** Calls `deliver` later, never at once: how late, the store decides. */
  readonly wake: (deliver: () => void) => void;
}

export class Watches {
  readonly #keyspace: Keyspace;
  readonly #visibleRevision: () => number;
  readonly #cursors = new Set<Cursor>();

  /**
   * `visibleRevision`: what may be shown; a store that is not yet sure of its latest changes holds them back.
   */
  constructor(keyspace: Keyspace, visibleRevision: () => number) {
    this.#keyspace = keyspace;
    this.#visibleRevision = visibleRevision;
  }

  add(options: WatchOptions): Watch {
    const cursor = new Cursor(options, this.#keyspace, this.#visibleRevision, () =>
      this.#cursors.delete(cursor),
    );
    this.#cursors.add(cursor);
    cursor.wake();
    return cursor;
  }

  /** There may be something new. */
  wake(): void {
    for (const cursor of this.#cursors) cursor.wake();
  }

  /** Ends every watch with an error, or without one. */
  end(error?: Error): void {
    for (const cursor of this.#cursors) {
      if (error === undefined) cursor.cancel();
      else cursor.lose(error);
    }
  }
}

class Cursor implements Watch {
  readonly #options: WatchOptions;
  readonly #keyspace: Keyspace;
  readonly #visibleRevision: () => number;
  readonly #onEnd: () => void;
  #nextRevision: number;
  #isWoken = false;
  #isEnded = false;

  constructor(options: WatchOptions, keyspace: Keyspace, visibleRevision: () => number, onEnd: () => void) {
    this.#options = options;
    this.#keyspace = keyspace;
    this.#visibleRevision = visibleRevision;
    this.#onEnd = onEnd;
    this.#nextRevision = options.fromRevision;
  }

  wake(): void {
    if (this.#isWoken || this.#isEnded) return;
    this.#isWoken = true;
    this.#options.wake(() => {
      this.#isWoken = false;
      this.#deliver();
    });
  }

  cancel(): void {
    this.#isEnded = true;
    this.#onEnd();
  }

  lose(error: Error): void {
    if (this.#isEnded) return;
    this.cancel();
    this.#options.watcher.onLost(error);
  }

  #deliver(): void {
    while (!this.#isEnded && this.#nextRevision <= this.#visibleRevision()) {
      if (this.#nextRevision < this.#keyspace.firstRevision) {
        this.lose(
          new MetadataStoreError('compacted', `events from revision ${this.#nextRevision} on are gone`),
        );
        return;
      }
      this.#show(this.#keyspace.change(this.#nextRevision++));
    }
  }

  #show({ revision, events }: Change): void {
    const wanted = events.filter((event) => event.key.startsWith(this.#options.prefix));
    if (wanted.length > 0) this.#options.watcher.onEvents(revision, wanted);
  }
}
