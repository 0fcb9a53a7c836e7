/**
 * The side of leases that runs in a thread of its own, with its own connection: a main loop that is busy for a while keeps
 * its leases. One that stands still does not: its beats stop, and half a time to live later so do the keep-alives.
 */
import type { ThreadPort } from '../../base/ports.ts';
import { assert } from '../../base/assert.ts';
import { EtcdClient } from './client.ts';
import type { EtcdPorts } from './client.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { FromLeaseThread, ToLeaseThread } from './lease-messages.ts';

/** Serves the main loop behind `port` until it ends the thread. */
export function serveLeases(port: ThreadPort, ports: EtcdPorts): void {
  const keepers = new Map<number, LeaseKeeper>();
  let client: EtcdClient | undefined;
  /** The last beat, in both clocks. */
  let beat = { atMs: -Infinity, heardMs: -Infinity };
  const tell = (message: FromLeaseThread): void => port.post(message);

  const keep = (leaseId: number, ttlMs: number): void => {
    assert(client !== undefined, 'a lease thread is opened before it is used');
    const keeper = new LeaseKeeper({
      client,
      timers: ports.timers,
      leaseId,
      ttlMs,
      // On the main loop's clock, and no later than it is: a beat was heard after it was sent.
      stamp: () => {
        const ageMs = ports.clock.monotonicMs() - beat.heardMs;
        return ageMs <= ttlMs / 2 ? beat.atMs + ageMs : undefined;
      },
      onAlive: (atMs) => tell({ type: 'alive', leaseId, atMs }),
      onGone: () => {
        keepers.delete(leaseId);
        tell({ type: 'gone', leaseId });
      },
    });
    keepers.set(leaseId, keeper);
  };

  port.onMessage = (received) => {
    const message = received as ToLeaseThread;
    switch (message.type) {
      case 'open':
        client = new EtcdClient(message.access, ports);
        return;
      case 'keep':
        keep(message.leaseId, message.ttlMs);
        return;
      case 'drop':
        keepers.get(message.leaseId)?.stop();
        keepers.delete(message.leaseId);
        return;
      case 'beat':
        beat = { atMs: message.atMs, heardMs: ports.clock.monotonicMs() };
    }
  };
}
