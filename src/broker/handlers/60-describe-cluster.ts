/** DescribeCluster (key 60): the brokers and the cluster's id; what an admin client asks first. */
import { Errors } from '../../protocol/errors.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../protocol/messages/60-describe-cluster.ts';
import { authorizedClusterOperations, OPERATIONS_NOT_ASKED } from '../authorized-operations.ts';
import { handler } from '../handler.ts';
import { brokerNodes, randomAliveBroker } from '../topic-description.ts';

/** KIP-919: which kind of node is asked. Headrace's brokers decide among themselves, there is no other kind. */
const ENDPOINT_TYPE = { BROKER: 1, CONTROLLER: 2 } as const;

export const describeCluster = handler(
  DescribeClusterRequest,
  DescribeClusterResponse,
  (request, context, services) => {
    const { image } = services;
    const problem = endpointProblem(request.endpointType, context.apiVersion);
    if (problem !== undefined) {
      return { throttleTimeMs: 0, ...problem, clusterId: '', brokers: [] };
    }
    const nodes = brokerNodes(image, context.listener).filter(
      (node) => !node.isFenced || request.includeFencedBrokers,
    );
    const controllerId = randomAliveBroker(image, services.ports.random);
    return {
      throttleTimeMs: 0,
      errorCode: Errors.NONE,
      endpointType: ENDPOINT_TYPE.BROKER,
      clusterId: image.clusterId,
      // A client cannot use a controller that is not among the brokers it is told of.
      controllerId: nodes.some((node) => node.nodeId === controllerId) ? controllerId : -1,
      brokers: nodes.map(({ nodeId, host, port, rack, isFenced }) => ({
        brokerId: nodeId,
        host,
        port,
        rack,
        isFenced,
      })),
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? authorizedClusterOperations(services, context)
        : OPERATIONS_NOT_ASKED,
    };
  },
);

function endpointProblem(
  endpointType: number,
  apiVersion: number,
): { errorCode: number; errorMessage: string } | undefined {
  if (endpointType === ENDPOINT_TYPE.BROKER) return undefined;
  if (endpointType === ENDPOINT_TYPE.CONTROLLER) {
    const errorCode = apiVersion === 0 ? Errors.INVALID_REQUEST : Errors.MISMATCHED_ENDPOINT_TYPE;
    const errorMessage =
      'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER';
    return { errorCode, errorMessage };
  }
  const errorCode = apiVersion === 0 ? Errors.INVALID_REQUEST : Errors.UNSUPPORTED_ENDPOINT_TYPE;
  return { errorCode, errorMessage: `Unsupported endpoint type ${endpointType}` };
}
