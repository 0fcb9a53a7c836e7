/**
 * Which segments become one when they are cleaned: neighbours, as many as fit into one segment by what they are now, so
 * that a log whose segments have shrunk does not end as many small files.
 */
import { RELATIVE_OFFSET_MAX } from '../segment.ts';

export interface GroupedSegment {
  readonly baseOffset: number;
  readonly nextBaseOffset: number;
  readonly sizeBytes: number;
  /** Of the larger one of the two indexes. */
  readonly indexBytes: number;
}

export function groupSegments<T extends GroupedSegment>(
  segments: readonly T[],
  limits: { readonly segmentBytes: number; readonly segmentIndexBytes: number },
): T[][] {
  const groups: T[][] = [];
  let group: T[] = [];
  let sizeBytes = 0;
  let indexBytes = 0;
  for (const segment of segments) {
    const fits =
      group.length > 0 &&
      sizeBytes + segment.sizeBytes <= limits.segmentBytes &&
      indexBytes + segment.indexBytes <= limits.segmentIndexBytes &&
      segment.nextBaseOffset - 1 - group[0].baseOffset <= RELATIVE_OFFSET_MAX;
    if (!fits) {
      group = [];
      groups.push(group);
      sizeBytes = 0;
      indexBytes = 0;
    }
    group.push(segment);
    sizeBytes += segment.sizeBytes;
    indexBytes += segment.indexBytes;
  }
  return groups;
}
