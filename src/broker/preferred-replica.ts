/**
 * Reading from the nearest replica (KIP-392): a consumer that says in which rack it is may be sent by the leader to an
 * in-sync follower there, which serves it up to its own watermark.
 */
import type { Partition } from '../replication/partition.ts';
import type { RequestContext } from './context.ts';
import type { FetchTarget } from './fetch-read.ts';
import type { Services } from './services.ts';

/** replica.selector.class, with or without Kafka's package before it. */
const RACK_AWARE = /(^|\.)RackAwareReplicaSelector$/;

/** Of a consumer's targets those that it should rather read elsewhere say where. */
export function withPreferred(
  targets: FetchTarget[],
  rackId: string,
  context: RequestContext,
  services: Services,
): FetchTarget[] {
  const { nodeId, image } = services;
  if (rackId === '' || !RACK_AWARE.test(services.settings().replication.selectorClass ?? '')) return targets;
  if (image.brokers.get(nodeId)?.rack === rackId) return targets;
  const isNear = (id: number): boolean => {
    const broker = image.brokers.get(id);
    if (broker === undefined || broker.fenced || broker.rack !== rackId) return false;
    return broker.endpoints.some(({ listener }) => listener === context.listener);
  };
  return targets.map((target) => {
    const preferred = target.partition && nearest(target.partition, target.wanted.fetchOffset, isNear);
    return preferred === undefined ? target : { ...target, preferred };
  });
}

/** The one that has come furthest, of those in sync that have what the consumer wants next. */
function nearest(
  { leadership }: Partition,
  fetchOffset: number,
  isNear: (nodeId: number) => boolean,
): number | undefined {
  let best: { readonly nodeId: number; readonly endOffset: number } | undefined;
  for (const { nodeId, endOffset } of leadership?.followers() ?? []) {
    if (endOffset < fetchOffset || !leadership!.isr.includes(nodeId) || !isNear(nodeId)) continue;
    if (best === undefined || endOffset > best.endOffset) best = { nodeId, endOffset };
  }
  return best?.nodeId;
}
