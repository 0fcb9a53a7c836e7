/** What the main loop and the thread that keeps leases tell each other. Times are the main loop's monotonic ones. */
import type { EtcdAccess } from './client.ts';

export type ToLeaseThread =
  | { readonly type: 'open'; readonly access: EtcdAccess }
  | { readonly type: 'keep'; readonly leaseId: number; readonly ttlMs: number }
  | { readonly type: 'drop'; readonly leaseId: number }
  /** The main loop went round at this time. */
  | { readonly type: 'beat'; readonly atMs: number };

export type FromLeaseThread =
  /** etcd has answered a keep-alive that was sent at this time or later. */
  | { readonly type: 'alive'; readonly leaseId: number; readonly atMs: number }
  | { readonly type: 'gone'; readonly leaseId: number };
