/** Commands in a page for people: fenced blocks of `sh` whose heading says on which machines they are to be run. */

export interface CommandBlock {
  readonly commands: string;
  /** From 1 on, in the order of the page. */
  readonly machines: readonly number[];
  /** Left out of the short run. */
  readonly isLong: boolean;
  /** Of the page, from 1 on. */
  readonly line: number;
}

/** Throws for a block of `sh` that names no machine: it would not be run, and nobody would know. */
export function commandBlocks(page: string): CommandBlock[] {
  const blocks: CommandBlock[] = [];
  const lines = page.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const heading = /^```(\S+)(.*)$/.exec(lines[index]!);
    if (heading === null) continue;
    const end = lines.indexOf('```', index + 1);
    if (end < 0) throw new Error(`line ${index + 1}: the block does not end`);
    const match = /^ on ((?:\d+ ?)+)(long)?$/.exec(heading[2]!);
    if (heading[1] === 'sh' && match === null) throw new Error(`line ${index + 1}: on which machine?`);
    if (match !== null) {
      blocks.push({
        commands: lines.slice(index + 1, end).join('\n'),
        machines: match[1]!.trim().split(' ').map(Number),
        isLong: match[2] !== undefined,
        line: index + 1,
      });
    }
    index = end;
  }
  return blocks;
}
