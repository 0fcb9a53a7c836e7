// The Python clients as Peers: each in a process of its own.
import { join } from 'node:path';
import { type ProcessPeer, startProcessPeer } from './process-peer.ts';

/** `python` is the interpreter that scripts/peer-python.ts installed. */
export async function startPython(
  { python, client }: { python: string; client: 'confluent' | 'aiokafka' },
  bootstrap: string,
): Promise<ProcessPeer> {
  const program = join(import.meta.dirname, 'peers', 'python', `${client}_peer.py`);
  return startProcessPeer([python, '-B', program], bootstrap);
}
