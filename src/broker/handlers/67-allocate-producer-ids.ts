/** AllocateProducerIds (key 67): a block of producer ids for another broker, from the controller. Only brokers may ask. */
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../../protocol/messages/67-allocate-producer-ids.ts';
import { handler } from '../handler.ts';

export const allocateProducerIds = handler(
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
  async ({ brokerId, brokerEpoch }, _context, { controller, image }) => {
    if (!controller.isActive) throw new KafkaError(Errors.NOT_CONTROLLER);
    if (image.brokers.get(brokerId)?.epoch !== brokerEpoch) throw new KafkaError(Errors.STALE_BROKER_EPOCH);
    const { first, count } = await controller.allocateProducerIds();
    return { throttleTimeMs: 0, errorCode: Errors.NONE, producerIdStart: first, producerIdLen: count };
  },
);
