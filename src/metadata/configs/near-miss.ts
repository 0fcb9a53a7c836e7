/** Finds the name somebody probably meant. */

/** Names further away than this many edits per ten characters are not suggested. */
const EDITS_PER_TEN_CHARACTERS = 2;

/** The one of `names` that takes the fewest edits to reach, if that is near enough. */
export function nearMiss(name: string, names: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor((name.length * EDITS_PER_TEN_CHARACTERS) / 10));
  let best: string | undefined;
  let fewest = limit + 1;
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= fewest) continue;
    const edits = editDistance(name, candidate);
    if (edits < fewest) {
      best = candidate;
      fewest = edits;
    }
  }
  return best;
}

/**
 * Insertions, deletions and replacements of one character that turn `a` into `b`; two swapped neighbours
 * count as two.
 */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
    above = row;
  }
  return above[b.length]!;
}
