/** CreateTopics (key 19). Answers when the topics are in this broker's metadata, so that the next request finds them. */
import { ZERO_UUID } from '../../base/uuid.ts';
import { effectiveTopicConfigs } from '../../metadata/configs/resolve.ts';
import type { CreatedTopic } from '../../metadata/controller/topics.ts';
import { CLUSTER_METADATA_TOPIC } from '../../metadata/topic-names.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../protocol/messages/19-create-topics.ts';
import type { Write } from '../../protocol/schema.ts';
import { authorize, mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import { countNames } from '../repeated-names.ts';
import type { Services } from '../services.ts';

type TopicAnswer = Write<typeof CreateTopicsResponse>['topics'][number];

export const createTopics = handler(
  CreateTopicsRequest,
  CreateTopicsResponse,
  async (request, context, services) => {
    const counts = countNames(request.topics.map((topic) => topic.name));
    const refused = new Map<string, TopicAnswer>();
    const mayAll = authorize(services, context, { operation: 'CREATE', resource: 'CLUSTER' });
    for (const [name, count] of counts) {
      if (count > 1) {
        refused.set(name, failed(name, Errors.INVALID_REQUEST, 'Duplicate topic name.'));
      } else if (name === CLUSTER_METADATA_TOPIC) {
        const message = `Creation of internal topic ${name} is prohibited.`;
        refused.set(name, failed(name, Errors.INVALID_REQUEST, message));
      } else if (!mayAll && !mayTopic(services, context, 'CREATE', name)) {
        refused.set(name, failed(name, Errors.TOPIC_AUTHORIZATION_FAILED, 'Authorization failed.'));
      }
    }
    const accepted = request.topics.filter((topic) => !refused.has(topic.name));
    const { timeoutMs, validateOnly } = request;
    let created: readonly CreatedTopic[];
    try {
      created = await services.controller.createTopics(accepted, { timeoutMs, validateOnly });
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      // The request as a whole, also what would have been refused anyway.
      const { code, message } = error;
      return { throttleTimeMs: 0, topics: [...counts.keys()].map((name) => failed(name, code, message)) };
    }
    const answers = new Map(created.map((topic) => [topic.name, answer(topic, context, services)]));
    const topics = [...counts.keys()].flatMap((name) => refused.get(name) ?? answers.get(name) ?? []);
    return { throttleTimeMs: 0, topics };
  },
);

/** With all of the topic's configurations (KIP-525), if the asker may see them. */
function answer(topic: CreatedTopic, context: RequestContext, services: Services): TopicAnswer {
  const { name, topicId, errorCode, errorMessage, numPartitions, replicationFactor } = topic;
  if (errorCode !== Errors.NONE) return failed(name, errorCode, errorMessage);
  const made = { name, topicId, errorCode, errorMessage };
  if (!mayTopic(services, context, 'DESCRIBE_CONFIGS', name)) {
    const topicConfigErrorCode = Errors.TOPIC_AUTHORIZATION_FAILED;
    return { ...made, topicConfigErrorCode, numPartitions: -1, replicationFactor: -1, configs: [] };
  }
  const configs = effectiveTopicConfigs(topic.configs, services.brokerConfigs());
  return {
    ...made,
    numPartitions,
    replicationFactor,
    configs: configs.map((config) => ({
      name: config.name,
      value: config.value,
      readOnly: config.readOnly,
      configSource: config.source,
      isSensitive: config.isSensitive,
    })),
  };
}

function failed(name: string, errorCode: number, errorMessage: string | null): TopicAnswer {
  return { name, topicId: ZERO_UUID, errorCode, errorMessage, configs: [] };
}
