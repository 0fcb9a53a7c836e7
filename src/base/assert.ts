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

/** For the default branch of a switch over a union: fails to compile when a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`);
}
