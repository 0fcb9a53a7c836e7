/** Assertions for what can only be wrong if Headrace is wrong. Bytes from outside are checked, never asserted. */

export class AssertionError extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = 'AssertionError';
  }
}

/** Throws unless `condition` holds; `believed` states what was believed, as a sentence. */
export function assert(condition: unknown, believed: string): asserts condition {
  if (!condition) throw new AssertionError(believed);
}
