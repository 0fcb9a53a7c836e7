/** What this broker itself wants of the controller: topics that are made on the way, and producer ids. */
import type { Controller } from '../metadata/controller.ts';
import type { ProducerIdBlock } from '../metadata/controller/producer-ids.ts';
import type { CreatedTopic, NewTopic } from '../metadata/controller/topics.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { apiOf } from '../protocol/apis.ts';
import { Errors, KafkaError, type ErrorCode } from '../protocol/errors.ts';
import { CreateTopicsRequest, type CreateTopicsResponse } from '../protocol/messages/19-create-topics.ts';
import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../protocol/messages/67-allocate-producer-ids.ts';
import type { Write } from '../protocol/schema.ts';
import type { Peers } from '../rpc/peers.ts';
import { BROKER_PRINCIPAL_TYPE } from '../security/broker-identity.ts';
import { UNKNOWN_SOFTWARE } from './context.ts';
import type { Forwarding } from './forwarding.ts';

export interface ClusterDecisionsOptions {
  readonly nodeId: number;
  readonly image: ClusterImage;
  readonly controller: Controller;
  readonly peers: Peers;
  readonly forwarding: Forwarding;
  readonly listener: string;
  readonly timeoutMs: () => number;
}

export type MadeTopic = Pick<CreatedTopic, 'name' | 'errorCode' | 'errorMessage' | 'numPartitions'>;

export class ClusterDecisions {
  readonly #options: ClusterDecisionsOptions;

  constructor(options: ClusterDecisionsOptions) {
    this.#options = options;
  }

  /** One result a topic. Rejects with the KafkaError that the controller refused all of them with. */
  async createTopics(
    topics: readonly NewTopic[],
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<readonly MadeTopic[]> {
    const { controller, forwarding, nodeId, listener } = this.#options;
    if (controller.isActive) return controller.createTopics(topics, { timeoutMs });
    const api = apiOf(CreateTopicsRequest.key)!;
    const body: Write<typeof CreateTopicsRequest> = { topics: [...topics], timeoutMs, validateOnly: false };
    const origin = {
      clientId: `broker-${nodeId}`,
      listener,
      principal: { type: BROKER_PRINCIPAL_TYPE, name: String(nodeId) },
      clientHost: '',
      clientSoftware: UNKNOWN_SOFTWARE,
      forwardedBy: undefined,
    };
    const answer = await forwarding.run({ api, apiVersion: api.versionMax, body, origin }, async () => ({
      topics: await controller.createTopics(topics, { timeoutMs }),
    }));
    return (answer as Pick<CreateTopicsResponse, 'topics'>).topics;
  }

  /** Rejects when none can be had at the moment. */
  async allocateProducerIds(): Promise<ProducerIdBlock> {
    const { controller, image, peers, nodeId, timeoutMs } = this.#options;
    if (controller.isActive) return controller.allocateProducerIds();
    const { errorCode, producerIdStart, producerIdLen } = await peers.request(image.controllerId, {
      request: AllocateProducerIdsRequest,
      response: AllocateProducerIdsResponse,
      body: { brokerId: nodeId, brokerEpoch: image.brokers.get(nodeId)?.epoch ?? -1 },
      timeoutMs: timeoutMs(),
    });
    if (errorCode !== Errors.NONE) throw new KafkaError(errorCode as ErrorCode);
    return { first: producerIdStart, count: producerIdLen };
  }
}
