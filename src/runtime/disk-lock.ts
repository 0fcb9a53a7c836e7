/**
 * The lock that keeps two processes off one data folder. Node has no call for file locks, but the SQLite
 * inside it takes the system's own: opening the lock file as an (empty) database and beginning an exclusive
 * transaction holds a kernel lock on it. The kernel drops it with the process, however that ends, so there is
 * no stale lock to detect, no process id that might have been given away again, and no window in which two
 * processes both think the other is dead. It also holds between containers on one host, which do not see each
 * other's process ids. The file stays empty and is never removed: removing it would let one process lock the
 * old file while another locks a new one.
 */
import { DatabaseSync } from 'node:sqlite';
import { DiskError } from '../base/ports.ts';
import type { DiskLock } from '../base/ports.ts';

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const BASIC_RESULT_MASK = 0xff;

/** SQLite's basic result codes as the system's names; anything else is EIO. */
const SYSTEM_CODES: Record<number, string> = { 3: 'EACCES', 8: 'EROFS', 14: 'ENOENT', 26: 'EEXIST' };

/** A database that nobody holds on to is closed by the collector, and its lock with it. */
const heldLocks = new Set<DatabaseSync>();

/**
 * Undefined: somebody has it, in another process or in this one. Throws DiskError when the file cannot be
 * locked.
 */
export function lockFile(path: string): DiskLock | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    const code = ((error as { errcode?: number }).errcode ?? 0) & BASIC_RESULT_MASK;
    if (code === SQLITE_BUSY || code === SQLITE_LOCKED) return undefined;
    throw new DiskError(SYSTEM_CODES[code] ?? 'EIO', path, { cause: error });
  }
  const held = database;
  heldLocks.add(held);
  return {
    release() {
      heldLocks.delete(held);
      if (held.isOpen) held.close();
    },
  };
}
