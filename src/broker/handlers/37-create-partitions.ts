/** CreatePartitions (key 37): adds partitions to topics. */
import { refusal, type Outcome } from '../../metadata/outcome.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../protocol/messages/37-create-partitions.ts';
import { mayTopic } from '../authorization.ts';
import { handler } from '../handler.ts';
import { countNames } from '../repeated-names.ts';

export const createPartitions = handler(
  CreatePartitionsRequest,
  CreatePartitionsResponse,
  async (request, context, services) => {
    const counts = countNames(request.topics.map((topic) => topic.name));
    const outcomes = new Map<string, Outcome>();
    for (const [name, count] of counts) {
      if (count > 1) outcomes.set(name, refusal(Errors.INVALID_REQUEST, 'Duplicate topic name.'));
      else if (!mayTopic(services, context, 'ALTER', name)) {
        outcomes.set(name, refusal(Errors.TOPIC_AUTHORIZATION_FAILED, null));
      }
    }
    const accepted = request.topics.filter((topic) => !outcomes.has(topic.name));
    const { timeoutMs, validateOnly } = request;
    const results = await services.controller.createPartitions(accepted, { timeoutMs, validateOnly });
    for (const [n, topic] of accepted.entries()) outcomes.set(topic.name, results[n]);
    return {
      throttleTimeMs: 0,
      results: [...counts.keys()].map((name) => ({ name, ...outcomes.get(name)! })),
    };
  },
);
