/** ElectLeaders (key 43): the preferred replica leads again, or an unclean one where nobody else can (KIP-460). */
import {
  ELECTION_TYPE,
  type ElectionRequest,
  type ElectionType,
} from '../../metadata/controller/elections.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { ElectLeadersRequest, ElectLeadersResponse } from '../../protocol/messages/43-elect-leaders.ts';
import { requireClusterOperation } from '../cluster-operation.ts';
import { handler } from '../handler.ts';
import type { Services } from '../services.ts';

export const electLeaders = handler(
  ElectLeadersRequest,
  ElectLeadersResponse,
  async (request, context, services) => {
    requireClusterOperation(services, context, 'ALTER');
    const type = electionType(request.electionType);
    const isAll = request.topicPartitions === null;
    const asked = request.topicPartitions ?? everything(services);
    const requests = asked.flatMap(({ topic, partitions }): ElectionRequest[] =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const { timeoutMs } = request;
    const outcomes = await services.controller.electLeaders(type, requests, { timeoutMs });
    let next = 0;
    const replicaElectionResults = asked.map(({ topic, partitions }) => {
      const all = partitions.map((partitionId) => ({ partitionId, ...outcomes[next++] }));
      // Of all partitions, only those are told of for which there was something to do.
      const told = isAll ? all.filter((one) => one.errorCode !== Errors.ELECTION_NOT_NEEDED) : all;
      return { topic, partitionResult: told };
    });
    return { throttleTimeMs: 0, errorCode: Errors.NONE, replicaElectionResults };
  },
);

function electionType(type: number): ElectionType {
  if (type === ELECTION_TYPE.PREFERRED || type === ELECTION_TYPE.UNCLEAN) return type;
  throw new KafkaError(Errors.INVALID_REQUEST, `Unknown election type ${type}`);
}

function everything({ image }: Services): { topic: string; partitions: number[] }[] {
  return [...image.topics.values()].map(({ name, partitions }) => ({
    topic: name,
    partitions: partitions.map((partition) => partition.partition),
  }));
}
