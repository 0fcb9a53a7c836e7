/** The page cache of a topic's files, emptied on purpose, without rights over the whole machine. Needs GNU coreutils. */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Server } from '../servers.ts';

const AGAIN_SECONDS = 0.5;
/** Reads nothing, and tells the kernel that the whole file is not needed any more. */
const EVICT = 'dd if="$file" iflag=nocache count=0 status=none';

export function segmentFiles(server: Server, topic: string): string[] {
  const folders = readdirSync(server.logDir).filter(
    (name) => /-\d+$/.test(name) && name.startsWith(`${topic}-`),
  );
  return folders.flatMap((folder) => {
    const names = readdirSync(path.join(server.logDir, folder));
    return names
      .filter((name) => name.endsWith('.log'))
      .map((name) => path.join(server.logDir, folder, name));
  });
}

/**
 * Writes the files back, since dirty pages stay, then evicts them and does so again twice a second: what a reader brings in
 * is gone when it comes by again. The function that is answered ends it.
 */
export function keepCold(files: readonly string[]): () => void {
  if (files.length === 0) throw new Error('there are no files to evict');
  execFileSync('sync', ['-d', ...files]);
  const script = `while :; do for file; do ${EVICT}; done; sleep ${AGAIN_SECONDS}; done`;
  const child = spawn('sh', ['-c', script, 'sh', ...files], { stdio: 'ignore' });
  const end = (): void => void child.kill('SIGKILL');
  process.on('exit', end);
  return () => {
    process.off('exit', end);
    end();
  };
}
