/** How much memory this process may use: what the machine has, or less where a container limits it. */
import { totalmem } from 'node:os';

export function machineMemoryBytes(): number {
  // 0 when no limit is known; without a limit Linux answers with a number beyond any machine.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
