/** Which partitions of a topic, as a request about a group's offsets names them, exist and are the client's to read. */
import { Errors } from '../protocol/errors.ts';
import { mayTopic } from './authorization.ts';
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';

interface NamedTopic {
  readonly name: string;
  readonly partitions: readonly { readonly partitionIndex: number }[];
}

/** With the partitions that exist; where `refusal` is not NONE there are none, and it says why. */
export type Readable<T> = T & { readonly refusal: number };

export function readablePartitions<T extends NamedTopic>(
  topic: T,
  context: RequestContext,
  services: Services,
): Readable<T> {
  const refuse = (refusal: number): Readable<T> => ({ ...topic, partitions: [], refusal });
  if (!mayTopic(services, context, 'READ', topic.name)) return refuse(Errors.TOPIC_AUTHORIZATION_FAILED);
  const known = services.image.topics.get(topic.name);
  if (known === undefined) return refuse(Errors.UNKNOWN_TOPIC_OR_PARTITION);
  const partitions = topic.partitions.filter(
    ({ partitionIndex }) => known.partitions[partitionIndex] !== undefined,
  );
  return { ...topic, partitions, refusal: Errors.NONE };
}
