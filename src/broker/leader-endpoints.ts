/** Who leads a partition and where that broker is, for answers that say so with their error (KIP-951). */
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';
import { brokerNode } from './topic-description.ts';

export interface CurrentLeader {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

export interface NodeEndpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** Collects the leaders that one answer names, and where those that are alive are, on the listener of the request. */
export class LeaderEndpoints {
  readonly #services: Pick<Services, 'image'>;
  readonly #listener: string;
  readonly #endpoints = new Map<number, NodeEndpoint>();

  constructor(services: Pick<Services, 'image'>, context: Pick<RequestContext, 'listener'>) {
    this.#services = services;
    this.#listener = context.listener;
  }

  /** -1/-1 when nobody leads, or nobody knows. */
  leaderOf(topic: string, partition: number): CurrentLeader {
    const state = this.#services.image.topics.get(topic)?.partitions[partition];
    if (state === undefined) return { leaderId: -1, leaderEpoch: -1 };
    const node = brokerNode(this.#services.image, state.leader, this.#listener);
    if (node?.isFenced === false) {
      const { nodeId, host, port, rack } = node;
      this.#endpoints.set(nodeId, { nodeId, host, port, rack });
    }
    return { leaderId: state.leader, leaderEpoch: state.leaderEpoch };
  }

  nodeEndpoints(): NodeEndpoint[] {
    return [...this.#endpoints.values()];
  }
}
