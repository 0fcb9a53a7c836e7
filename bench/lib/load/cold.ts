/** A topic's files out of the page cache, without rights over the whole machine. Needs GNU coreutils. */
import { execFileSync } from 'node:child_process';
import { segmentFiles } from '../open-loop/page-cache.ts';
import type { Server } from '../servers.ts';

/** Writes the files of a topic back and lets the kernel forget them; what is mapped or being read meanwhile stays. */
export function makeCold(server: Server, topic: string): void {
  for (const file of segmentFiles(server, topic)) {
    const args = [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
    execFileSync('dd', args);
  }
}
