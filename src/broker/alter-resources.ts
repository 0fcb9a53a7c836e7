/** What AlterConfigs and IncrementalAlterConfigs have in common: each resource stands for itself, and occurs once. */
import type { AlterConfigs } from '../metadata/controller/configs.ts';
import { refusal, type Outcome } from '../metadata/outcome.ts';
import { apiOf } from '../protocol/apis.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import {
  configAuthorizationProblem,
  configResourceName,
  repeatedResources,
  requireThisBroker,
} from './config-resources.ts';
import type { RequestContext } from './context.ts';
import type { Services } from './services.ts';

interface Requested {
  readonly resourceType: number;
  readonly resourceName: string;
}

interface Options<R extends Requested> {
  readonly context: RequestContext;
  readonly services: Services;
  /** Says what the controller is to do about a resource, or how it ended already. */
  readonly prepare: (resource: R, type: AlterConfigs['type'] | 'BROKER_LOGGER') => AlterConfigs | Outcome;
}

export interface AlterAnswer {
  readonly throttleTimeMs: number;
  readonly responses: (Outcome & Requested)[];
}

export async function alterResources<R extends Requested>(
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  options: Options<R>,
): Promise<AlterAnswer> {
  const { resources } = request;
  const repeated = repeatedResources(resources);
  const prepared = resources.map((resource) => {
    if (!repeated.has(resource)) return prepareOne(resource, options);
    return refusal(Errors.INVALID_REQUEST, 'Each resource must appear at most once.');
  });
  const forController = prepared.filter((one): one is AlterConfigs => !('errorCode' in one));
  const results = await decide(forController, request, options, (index) => !('errorCode' in prepared[index]));
  let next = 0;
  const responses = prepared.map((one, n) => {
    const { resourceType, resourceName } = resources[n];
    const { errorCode, errorMessage } = 'errorCode' in one ? one : results[next++];
    return { errorCode, errorMessage, resourceType, resourceName };
  });
  return { throttleTimeMs: 0, responses };
}

/** What the controller says to those that are for it; `isForController` tells which of the request's they are. */
async function decide<R extends Requested>(
  resources: readonly AlterConfigs[],
  request: { readonly resources: readonly R[]; readonly validateOnly: boolean },
  { context, services }: Options<R>,
  isForController: (index: number) => boolean,
): Promise<readonly Outcome[]> {
  if (resources.length === 0) return [];
  const { validateOnly } = request;
  const forwarded = {
    api: apiOf(context.apiKey)!,
    apiVersion: context.apiVersion,
    body: { ...request, resources: request.resources.filter((_, index) => isForController(index)) },
    origin: context,
  };
  const answer = await services.forwarding.run(forwarded, async () => ({
    responses: await services.controller.alterConfigs(resources, { validateOnly }),
  }));
  return (answer as { readonly responses: readonly Outcome[] }).responses;
}

function prepareOne<R extends Requested>(resource: R, options: Options<R>): AlterConfigs | Outcome {
  const { context, services, prepare } = options;
  const { resourceType, resourceName: name } = resource;
  const type = configResourceName(resourceType);
  if (type === undefined) return refusal(Errors.INVALID_REQUEST, `Unknown resource type ${resourceType}`);
  if (type !== 'BROKER_LOGGER') {
    const denied = configAuthorizationProblem(services, context, 'ALTER_CONFIGS', { type, name });
    if (denied !== undefined) return denied;
  }
  // Whoever passed it on has seen that it is its own.
  if (type === 'BROKER' && name !== '' && context.forwardedBy === undefined) {
    try {
      requireThisBroker(name, services.nodeId);
    } catch (error) {
      if (error instanceof KafkaError) return refusal(error.code, error.message);
      throw error;
    }
  }
  return prepare(resource, type);
}
