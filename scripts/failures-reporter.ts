/** A reporter for `node --test`: the failed tests alone, with their messages, for scripts/test.ts to repeat at its very end. */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** A suite or file that failed because of what is in it says nothing new. */
const OF_ANOTHER = 'subtestsFailed';
const LINES_MAX = 20;

export default async function* failuresReporter(source: AsyncIterable<TestEvent>): AsyncIterable<string> {
  for await (const event of source) {
    if (event.type !== 'test:fail') continue;
    const { name, file, details } = event.data;
    const { failureType, cause } = details.error as { failureType?: string; cause?: unknown };
    if (failureType === OF_ANOTHER) continue;
    const lines = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    // The end matters as much as the beginning: some messages say there how to see it again.
    const shown = lines.length <= LINES_MAX ? lines : [...lines.slice(0, 10), '…', ...lines.slice(-10)];
    yield `${relative('.', file ?? '')}: ${name}\n${shown.map((line) => `  ${line}\n`).join('')}`;
  }
}
