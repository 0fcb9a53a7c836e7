/** The step that LZ4 and Snappy share: repeating bytes that were already put out. */

/**
 * Appends to `output` at `to` the `length` bytes that begin `offset` bytes before, which may overlap what is written;
 * yields where it ended. The caller has checked that all of it lies within `output`.
 */
export function copyMatch(output: Buffer, to: number, offset: number, length: number): number {
  const end = to + length;
  if (length > 64) {
    if (offset >= length) {
      output.copyWithin(to, to - offset, to - offset + length);
      return end;
    }
    if (offset === 1) {
      output.fill(output[to - 1], to, end);
      return end;
    }
    // A period of `offset` bytes: what has been written doubles with each step.
    for (let at = to, from = to - offset; at < end;) {
      const size = Math.min(at - from, end - at);
      output.copyWithin(at, from, from + size);
      at += size;
    }
    return end;
  }
  let at = to;
  for (let from = to - offset; at < end;) output[at++] = output[from++];
  return end;
}
