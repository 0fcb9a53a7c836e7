/** The segments of one log in the order of their base offsets. There is always at least one; the last is the active one. */
import { assert } from '../base/assert.ts';
import type { Segment } from './segment.ts';

export class Segments {
  #list: Segment[] = [];
  #replacements = 0;

  get count(): number {
    return this.#list.length;
  }

  get list(): readonly Segment[] {
    return this.#list;
  }

  get first(): Segment {
    return this.#list[0];
  }

  get active(): Segment {
    return this.#list[this.#list.length - 1];
  }

  get sizeBytes(): number {
    let total = 0;
    for (const segment of this.#list) total += segment.sizeBytes;
    return total;
  }

  /** Behind all others. */
  add(segment: Segment): void {
    const last = this.#list[this.#list.length - 1];
    assert(last === undefined || last.baseOffset < segment.baseOffset, 'base offsets rise');
    this.#list.push(segment);
  }

  /** The index of the last segment that does not begin beyond `offset`; -1 when all do. */
  floorIndex(offset: number): number {
    const list = this.#list;
    let high = list.length - 1;
    // Most look-ups concern the end of the log.
    if (high >= 0 && list[high].baseOffset <= offset) return high;
    let low = 0;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (list[middle].baseOffset <= offset) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }

  at(index: number): Segment | undefined {
    return this.#list[index];
  }

  /** Takes the first `count` segments out of the list. */
  removeFirst(count: number): Segment[] {
    return this.#list.splice(0, count);
  }

  removeAt(index: number): void {
    this.#list.splice(index, 1);
  }

  /** Puts `segment` in the place of `replaced`, neighbours of which the first has its base offset. */
  replace(replaced: readonly Segment[], segment: Segment): void {
    const index = this.#list.indexOf(replaced[0]);
    assert(index >= 0 && replaced.every((one, after) => this.#list[index + after] === one), 'neighbours');
    assert(segment.baseOffset === replaced[0].baseOffset, 'the base offset stays');
    this.#list.splice(index, replaced.length, segment);
    this.#replacements += 1;
  }

  /** Counts `replace`: whoever goes from segment to segment and waits in between looks the next one up anew. */
  get replacements(): number {
    return this.#replacements;
  }

  /** Takes the segments from `index` on out of the list. */
  removeFrom(index: number): Segment[] {
    return this.#list.splice(index);
  }
}
