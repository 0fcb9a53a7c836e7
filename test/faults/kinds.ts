/** All kinds of faults by name. */
import type { MakeFault } from './fault.ts';
import { diskFaults } from './kinds/disk.ts';
import { partitionFaults } from './kinds/partition.ts';
import { processFaults } from './kinds/process.ts';
import { storeFaults } from './kinds/store.ts';
import { wireFaults } from './kinds/wire.ts';

export const FAULTS: Readonly<Record<string, MakeFault>> = {
  ...processFaults,
  ...partitionFaults,
  ...wireFaults,
  ...diskFaults,
  ...storeFaults,
};
