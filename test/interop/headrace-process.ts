// Our own client as a Peer in a process of its own, for workloads that stop and kill their clients.
import { join } from 'node:path';
import { type ProcessPeer, startProcessPeer } from './process-peer.ts';

export async function startHeadrace(bootstrap: string): Promise<ProcessPeer> {
  const driver = join(import.meta.dirname, 'peers', 'headrace', 'driver.ts');
  return startProcessPeer([process.execPath, driver], bootstrap);
}
