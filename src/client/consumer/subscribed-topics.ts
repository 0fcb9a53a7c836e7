/**
 * The topics that a member of a group wants: names, and patterns that are looked up among all topics of the cluster, again with
 * each refresh of the metadata. Internal topics have to be named.
 */
import type { Metadata } from '../metadata/metadata.ts';

export interface SubscribedTopicsOptions {
  readonly metadata: Metadata;
  readonly topics: readonly (string | RegExp)[];
  /** The names are others than before. */
  readonly onChange: () => void;
}

export class SubscribedTopics {
  readonly #metadata: Metadata;
  readonly #named: ReadonlySet<string>;
  readonly #patterns: readonly RegExp[];
  readonly #onChange: () => void;
  #names: readonly string[];
  #looked: Promise<void> | undefined;
  readonly #undo: (() => void)[] = [];

  constructor(options: SubscribedTopicsOptions) {
    const { metadata, topics } = options;
    this.#metadata = metadata;
    this.#onChange = options.onChange;
    this.#named = new Set(topics.filter((one) => typeof one === 'string'));
    this.#patterns = topics.filter((one) => typeof one !== 'string').map(withoutMemory);
    this.#names = [...this.#named];
    for (const name of this.#named) {
      metadata.want(name, { mayCreate: false });
      this.#undo.push(() => metadata.unwant(name));
    }
    if (this.#patterns.length === 0) return;
    this.#undo.push(
      metadata.wantAll(),
      metadata.onChange(() => this.#look()),
    );
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Resolves when the patterns have been looked up once. */
  known(): Promise<void> {
    if (this.#patterns.length === 0) return Promise.resolve();
    this.#looked ??= this.#metadata.refresh().catch((error: unknown) => {
      this.#looked = undefined;
      throw error;
    });
    return this.#looked;
  }

  close(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #look(): void {
    const { view } = this.#metadata;
    const found = view
      .names()
      .filter((name) => view.get(name)?.isInternal === false && this.#patterns.some((one) => one.test(name)));
    const names = [...new Set([...this.#named, ...found])].sort();
    const isSame = names.length === this.#names.length && names.every((name) => this.#names.includes(name));
    this.#names = names;
    if (!isSame) this.#onChange();
  }
}

/** A pattern with the flags g or y goes on where it stopped: here each name stands alone. */
function withoutMemory(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}
