/** Under which id the system was booted: as long as it is the same, what was written is in memory, whoever has died. */
import { readFileSync } from 'node:fs';

/** Linux has it; elsewhere undefined. */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

export function readBootId(): string | undefined {
  try {
    const id = readFileSync(BOOT_ID_FILE, 'utf8').trim();
    return id === '' ? undefined : id;
  } catch {
    return undefined;
  }
}
