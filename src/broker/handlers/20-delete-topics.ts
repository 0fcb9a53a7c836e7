/** DeleteTopics (key 20), by name or by id. */
import { ZERO_UUID } from '../../base/uuid.ts';
import { refusal, type Outcome } from '../../metadata/outcome.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../protocol/messages/20-delete-topics.ts';
import { mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import { countNames } from '../repeated-names.ts';
import type { Services } from '../services.ts';

interface TopicAnswer extends Outcome {
  readonly name: string | null;
  readonly topicId: string;
}

/** From this version on the error can say that deletion is turned off. */
const FIRST_VERSION_WITH_DELETION_DISABLED = 3;

export const deleteTopics = handler(
  DeleteTopicsRequest,
  DeleteTopicsResponse,
  async (request, context, services) => {
    if (!services.settings().topics.deleteEnable) refuseAll(context.apiVersion);
    const asked = sortOut(request);
    const responses = asked.refused;
    const names = new Map<string, string | null>();
    for (const id of asked.ids) {
      const topic = services.image.topicById(id);
      const problem = idProblem(topic?.name, id, context, services);
      if (problem !== undefined) responses.push(problem);
      else names.set(id, topic!.name);
    }
    for (const name of asked.names) {
      const problem = nameProblem(name, context, services);
      const id = services.image.topics.get(name)?.id ?? ZERO_UUID;
      if (problem !== undefined) {
        responses.push({ name, topicId: ZERO_UUID, ...problem });
      } else if (names.has(id) || asked.repeatedIds.has(id)) {
        // Asked for by both: told only to those who may delete it, for it says which id the name has.
        names.delete(id);
        const message = 'The provided topic name maps to an ID that was already supplied.';
        responses.push({ name, topicId: id, ...refusal(Errors.INVALID_REQUEST, message) });
      } else {
        names.set(id, name);
      }
    }
    const { timeoutMs } = request;
    for (const result of await services.controller.deleteTopics([...names.keys()], { timeoutMs })) {
      responses.push({ ...result, name: names.get(result.topicId) ?? null });
    }
    return { throttleTimeMs: 0, responses };
  },
);

function refuseAll(apiVersion: number): never {
  if (apiVersion >= FIRST_VERSION_WITH_DELETION_DISABLED) {
    throw new KafkaError(Errors.TOPIC_DELETION_DISABLED, 'Topic deletion is disabled.');
  }
  throw new KafkaError(Errors.INVALID_REQUEST, 'This version does not support topic deletion.');
}

interface Asked {
  readonly names: readonly string[];
  readonly ids: readonly string[];
  readonly repeatedIds: ReadonlySet<string>;
  /** Answers that are certain already. */
  readonly refused: TopicAnswer[];
}

function sortOut(request: DeleteTopicsRequest): Asked {
  const refused: TopicAnswer[] = [];
  const invalid = (name: string | null, topicId: string, message: string): void => {
    refused.push({ name, topicId, ...refusal(Errors.INVALID_REQUEST, message) });
  };
  const names = [...request.topicNames];
  const ids: string[] = [];
  for (const { name, topicId } of request.topics) {
    if (name === null && topicId === ZERO_UUID) {
      invalid(null, topicId, 'Neither topic name nor id were specified.');
    } else if (name === null) {
      ids.push(topicId);
    } else if (topicId === ZERO_UUID) {
      names.push(name);
    } else {
      invalid(name, topicId, 'You may not specify both topic name and topic id.');
    }
  }
  const nameCounts = [...countNames(names)];
  const idCounts = [...countNames(ids)];
  for (const [name, count] of nameCounts) if (count > 1) invalid(name, ZERO_UUID, 'Duplicate topic name.');
  for (const [id, count] of idCounts) if (count > 1) invalid(null, id, 'Duplicate topic id.');
  return {
    names: nameCounts.filter(([, count]) => count === 1).map(([name]) => name),
    ids: idCounts.filter(([, count]) => count === 1).map(([id]) => id),
    repeatedIds: new Set(idCounts.filter(([, count]) => count > 1).map(([id]) => id)),
    refused,
  };
}

function idProblem(
  name: string | undefined,
  topicId: string,
  context: RequestContext,
  services: Services,
): TopicAnswer | undefined {
  if (name === undefined) return { name: null, topicId, ...refusal(Errors.UNKNOWN_TOPIC_ID) };
  if (mayTopic(services, context, 'DELETE', name)) return undefined;
  // The name is a secret to those who may not describe the topic.
  const shown = mayTopic(services, context, 'DESCRIBE', name) ? name : null;
  return { name: shown, topicId, ...refusal(Errors.TOPIC_AUTHORIZATION_FAILED) };
}

function nameProblem(name: string, context: RequestContext, services: Services): Outcome | undefined {
  if (!mayTopic(services, context, 'DESCRIBE', name)) return refusal(Errors.TOPIC_AUTHORIZATION_FAILED);
  if (!services.image.topics.has(name)) return refusal(Errors.UNKNOWN_TOPIC_OR_PARTITION);
  if (!mayTopic(services, context, 'DELETE', name)) return refusal(Errors.TOPIC_AUTHORIZATION_FAILED);
  return undefined;
}
