/** IncrementalAlterConfigs (key 44): sets, deletes, appends and subtracts single values (KIP-339), and log levels. */
import { alterOp, type IncrementalChange } from '../../metadata/configs/alter.ts';
import { refusal, SUCCESS, type Outcome } from '../../metadata/outcome.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../protocol/messages/44-incremental-alter-configs.ts';
import { alterResources } from '../alter-resources.ts';
import { authorize } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler } from '../handler.ts';
import { isKafkaLogLevel, KAFKA_LOG_LEVELS, ROOT_LOGGER } from '../log-levels.ts';
import type { Services } from '../services.ts';

type Resource = IncrementalAlterConfigsRequest['resources'][number];

export const incrementalAlterConfigs = handler(
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
  (request, context, services) =>
    alterResources(request, {
      context,
      services,
      prepare: (resource, type) => {
        const changes = changesOf(resource);
        if ('errorCode' in changes) return changes;
        if (type !== 'BROKER_LOGGER') return { type, name: resource.resourceName, changes };
        return alterLoggers(resource.resourceName, changes, request.validateOnly, context, services);
      },
    }),
);

function changesOf(resource: Resource): IncrementalChange[] | Outcome {
  const changes: IncrementalChange[] = [];
  for (const { name, configOperation, value } of resource.configs) {
    const op = alterOp(configOperation);
    if (op === undefined) {
      return refusal(Errors.INVALID_REQUEST, `Unknown operations type ${configOperation}`);
    }
    changes.push({ name, op, value });
  }
  return changes;
}

/** KIP-412. Applied here and now: levels are not stored. */
function alterLoggers(
  brokerName: string,
  changes: readonly IncrementalChange[],
  validateOnly: boolean,
  context: RequestContext,
  services: Services,
): Outcome {
  if (!authorize(services, context, { operation: 'CLUSTER_ACTION', resource: 'CLUSTER' })) {
    return refusal(Errors.CLUSTER_AUTHORIZATION_FAILED);
  }
  if (Number(brokerName) !== services.nodeId || brokerName === '') {
    const isNumber = /^[+-]?\d{1,10}$/.test(brokerName);
    return refusal(
      Errors.INVALID_REQUEST,
      isNumber
        ? `Unexpected node id. Expected ${services.nodeId}, but received ${Number(brokerName)}`
        : `Node id must be an integer, but it is: ${brokerName}`,
    );
  }
  for (const change of changes) {
    const problem = loggerProblem(change, services);
    if (problem !== undefined) return problem;
  }
  if (!validateOnly) {
    for (const { name, value } of changes) {
      if (value !== null && isKafkaLogLevel(value)) services.logLevels.set(name, value);
    }
  }
  return SUCCESS;
}

function loggerProblem({ name, op, value }: IncrementalChange, services: Services): Outcome | undefined {
  if (op === 'APPEND' || op === 'SUBTRACT') {
    const message = `${op} operation is not allowed for the BROKER_LOGGER resource`;
    return refusal(Errors.INVALID_REQUEST, message);
  }
  if (!services.logLevels.levels().has(name)) {
    return refusal(Errors.INVALID_CONFIG, `Logger ${name} does not exist!`);
  }
  if (op === 'DELETE') {
    const message = `Removing the log level of the ${ROOT_LOGGER} logger is not allowed`;
    return refusal(Errors.INVALID_REQUEST, message);
  }
  if (value === null) return refusal(Errors.INVALID_REQUEST, `Null value not supported for : ${name}`);
  if (isKafkaLogLevel(value)) return undefined;
  const legal = [...KAFKA_LOG_LEVELS].sort().join(', ');
  const message =
    `Cannot set the log level of ${name} to ${value} as it is not a supported log level. ` +
    `Valid log levels are ${legal}`;
  return refusal(Errors.INVALID_CONFIG, message);
}
