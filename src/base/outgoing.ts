/** What connections send: buffers, and regions of files among them. */
import type { FileRegion, Outgoing } from './ports.ts';

export function isRegion(part: Outgoing): part is FileRegion {
  return !(part instanceof Uint8Array);
}

export function sizeOfPart(part: Outgoing): number {
  return part instanceof Uint8Array ? part.length : part.sizeBytes;
}

/** Bytes of all parts, and of the regions among them. */
export function sizesOf(parts: readonly Outgoing[]): {
  readonly bytes: number;
  readonly regionBytes: number;
} {
  let bytes = 0;
  let regionBytes = 0;
  for (const part of parts) {
    const size = sizeOfPart(part);
    bytes += size;
    if (isRegion(part)) regionBytes += size;
  }
  return { bytes, regionBytes };
}
