/**
 * The little that the broker reads of what consumers tell each other: which topics a member of a group with protocol type
 * `consumer` subscribes to. Version 0 of the subscription is a prefix of every later one, so newer clients are no concern.
 */
import { codec } from '../../protocol/compile.ts';
import { ConsumerProtocolSubscription } from '../../protocol/records/consumer-protocol.ts';
import { ProtocolError, Reader } from '../../protocol/wire.ts';

/** Kafka's consumers say this as protocol type; Connect says `connect`, the schema registries `sr`. */
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

/** The topics, or undefined when the bytes are not a subscription: clients may put there what they like. */
export function subscribedTopics(metadata: Buffer): readonly string[] | undefined {
  try {
    const reader = new Reader(metadata);
    if (reader.int16() < 0) return undefined;
    return codec(ConsumerProtocolSubscription, 0).read(reader).topics;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}
