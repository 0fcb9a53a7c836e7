/** Produce: appends each partition's batch and, with acks=all, answers once the batches are committed. */
import { ProduceRequest, ProduceResponse } from '../../protocol/messages/00-produce.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import type { Write } from '../../protocol/schema.ts';
import type { Partition } from '../../replication/partition.ts';
import { CLOSE } from '../../rpc/server-connection.ts';
import { authorize, mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler, type Reply } from '../handler.ts';
import { LeaderEndpoints } from '../leader-endpoints.ts';
import {
  checkRecords,
  distinctPartitions,
  type ProducedPartition,
  type ProducedTopic,
} from '../produce-checks.ts';
import {
  hasSeveralProducers,
  hasTransactionalBatch,
  isOfTransaction,
  ProduceTransaction,
  type TransactionalBatch,
} from '../produce-transactions.ts';
import type { Services } from '../services.ts';

type Response = Write<typeof ProduceResponse>;
type TopicResponse = Response['responses'][number];
type PartitionResponse = {
  -readonly [
    K in keyof TopicResponse['partitionResponses'][number]
  ]: TopicResponse['partitionResponses'][number][K];
};

/** Admin tools with this client id may write into internal topics. */
const ADMIN_CLIENT_ID = '__admin_client';
const TOPIC_ID_VERSION_MIN = 13;
const LEADER_VERSION_MIN = 10;
const STORAGE_ERROR_VERSION_MIN = 4;

/** An appended batch whose commit the answer waits for. */
interface Wait {
  readonly partition: Partition;
  readonly offset: number;
  readonly response: PartitionResponse;
}

export const produce = handler(ProduceRequest, ProduceResponse, (request, context, services) => {
  const run = new ProduceRun(request, context, services);
  return run.reply();
});

class ProduceRun {
  readonly #request: ProduceRequest;
  readonly #context: RequestContext;
  readonly #services: Services;
  readonly #refusal: ErrorCode;
  #topics: readonly ProducedTopic[];
  /** Undefined for a request without transactional batches. */
  #transaction: ProduceTransaction | undefined;
  #nowMs = 0;
  readonly #waits: Wait[] = [];
  #failed = false;

  constructor(request: ProduceRequest, context: RequestContext, services: Services) {
    this.#request = request;
    this.#context = context;
    this.#services = services;
    this.#refusal = this.#judge();
    this.#topics = distinctPartitions(request.topicData);
  }

  /**
   * Appends at once if it can. A batch whose transaction has to be asked for holds up what comes behind it on the
   * connection, as in Kafka: a later batch must not overtake it.
   */
  reply(): Reply<Response> {
    const { connection } = this.#context;
    const before = connection.appending;
    const asked = before === undefined ? this.#ask() : undefined;
    if (before === undefined && asked === undefined) return this.#appendAll();
    // The frame is used again once this returns.
    this.#topics = this.#topics.map(keptTopic);
    const ready = before === undefined ? asked! : before.then(() => this.#ask());
    // In an object, so that what comes next waits for the append and not for the answer.
    const appended = ready.then((): { readonly reply: Reply<Response> } => ({ reply: this.#appendAll() }));
    const order = appended.then(
      () => {},
      () => {},
    );
    connection.appending = order;
    void order.then(() => {
      if (connection.appending === order) connection.appending = undefined;
    });
    return appended.then(({ reply }) => reply);
  }

  /** Asks the coordinator about the transactional batches that may go in; undefined when there is nothing to ask. */
  #ask(): Promise<void> | undefined {
    if (this.#transaction === undefined) return undefined;
    const batches: TransactionalBatch[] = [];
    for (const topic of this.#topics) {
      const name = this.#nameOf(topic);
      if (name === undefined || this.#topicError(name) !== Errors.NONE) continue;
      for (const { index, records } of topic.partitionData) {
        const partition = this.#services.partitions.get(name, index);
        if (partition?.check(-1) !== Errors.NONE || !isOfTransaction(records)) continue;
        if (checkRecords(records, this.#context.apiVersion) === undefined)
          batches.push({ partition, records });
      }
    }
    return this.#transaction.ask(batches);
  }

  #appendAll(): Reply<Response> {
    const { acks, timeoutMs } = this.#request;
    this.#nowMs = this.#services.ports.clock.nowMs();
    const responses = this.#topics.map((topic) => this.#appendTopic(topic));
    const response = { responses };
    if (acks === 0) return this.#failed ? CLOSE : undefined;
    if (this.#waits.length === 0) return this.#finish(response);
    // From here on nothing may hold on to the request: its frame is used again once it is answered.
    return waitForCommit(this.#services, this.#waits, timeoutMs).then(() => this.#finish(response));
  }

  /** An error of the request as a whole. */
  #judge(): ErrorCode {
    const { acks, transactionalId } = this.#request;
    if (acks !== 0 && acks !== 1 && acks !== -1) return Errors.INVALID_REQUIRED_ACKS;
    if (!hasTransactionalBatch(this.#request)) return Errors.NONE;
    if (transactionalId === null) return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    const may = authorize(this.#services, this.#context, {
      operation: 'WRITE',
      resource: 'TRANSACTIONAL_ID',
      name: transactionalId,
    });
    if (!may) return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (hasSeveralProducers(this.#request)) return Errors.INVALID_PRODUCER_ID_MAPPING;
    this.#transaction = new ProduceTransaction(this.#services, transactionalId, this.#context.apiVersion);
    return Errors.NONE;
  }

  #nameOf({ name, topicId }: ProducedTopic): string | undefined {
    const usesTopicId = this.#context.apiVersion >= TOPIC_ID_VERSION_MIN;
    return usesTopicId ? this.#services.image.topicById(topicId)?.name : name;
  }

  #appendTopic(request: ProducedTopic): TopicResponse {
    const name = this.#nameOf(request);
    const errorCode = this.#refusal !== Errors.NONE ? this.#refusal : this.#topicError(name);
    const partitionResponses = request.partitionData.map((data) => {
      if (errorCode !== Errors.NONE) return this.#error(data.index, errorCode);
      return this.#append(name!, data);
    });
    return { name: request.name, topicId: request.topicId, partitionResponses };
  }

  #topicError(name: string | undefined): ErrorCode {
    if (name === undefined) return Errors.UNKNOWN_TOPIC_ID;
    if (!mayTopic(this.#services, this.#context, 'WRITE', name)) return Errors.TOPIC_AUTHORIZATION_FAILED;
    const topic = this.#services.image.topics.get(name);
    if (topic === undefined) return Errors.UNKNOWN_TOPIC_OR_PARTITION;
    if (topic.isInternal && this.#context.clientId !== ADMIN_CLIENT_ID) return Errors.INVALID_TOPIC_EXCEPTION;
    return Errors.NONE;
  }

  #append(topic: string, { index, records }: ProducedPartition): PartitionResponse {
    const { partitions, image } = this.#services;
    const partition = partitions.get(topic, index);
    if (partition === undefined) {
      const exists = image.topics.get(topic)?.partitions[index] !== undefined;
      return this.#error(
        index,
        exists ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION,
        topic,
      );
    }
    const invalid = checkRecords(records, this.#context.apiVersion);
    if (invalid !== undefined) return this.#error(index, invalid.errorCode, topic, invalid.message);
    const transaction = isOfTransaction(records) ? this.#transaction : undefined;
    const refusal = transaction?.refusal(partition);
    if (refusal !== undefined) return this.#error(index, refusal.errorCode, topic, refusal.message);
    const { acks } = this.#request;
    const result = partition.append(records!, {
      acks,
      origin: 'client',
      produceVersion: this.#context.apiVersion,
      nowMs: this.#nowMs,
      ...transaction?.appendOptions(partition),
    });
    const errorCode = result.errorCode as ErrorCode;
    if (errorCode !== Errors.NONE) {
      const response = this.#error(index, errorCode, topic, result.errorMessage ?? null);
      // Kafka looks at the partition only after these checks.
      const isUnread = errorCode === Errors.CORRUPT_MESSAGE || errorCode === Errors.MESSAGE_TOO_LARGE;
      response.logStartOffset = isUnread ? -1 : result.logStartOffset;
      response.recordErrors = result.recordErrors.map(({ batchIndex, message }) => ({
        batchIndex,
        batchIndexErrorMessage: message,
      }));
      return response;
    }
    const response: PartitionResponse = {
      index,
      errorCode,
      baseOffset: result.baseOffset,
      logAppendTimeMs: result.logAppendTimeMs,
      logStartOffset: result.logStartOffset,
      recordErrors: [],
      errorMessage: null,
    };
    const offset = result.lastOffset + 1;
    if (acks === -1 && partition.highWatermark < offset) this.#waits.push({ partition, offset, response });
    return response;
  }

  #error(
    index: number,
    errorCode: ErrorCode,
    topic?: string,
    errorMessage: string | null = null,
  ): PartitionResponse {
    this.#failed = true;
    if (topic !== undefined && errorCode !== Errors.NOT_LEADER_OR_FOLLOWER) {
      const { clientId } = this.#context;
      this.#services.ports.logger.debug({ topic, partition: index, errorCode, clientId }, 'batch refused');
    }
    return { index, errorCode, baseOffset: -1, logStartOffset: -1, recordErrors: [], errorMessage };
  }

  /** Puts in what depends on the outcome: the leaders to go to (KIP-951), and what older clients can understand. */
  #finish(response: { readonly responses: readonly TopicResponse[] }): Response {
    const { apiVersion } = this.#context;
    let leaders: LeaderEndpoints | undefined;
    for (const topic of response.responses) {
      for (const one of topic.partitionResponses as PartitionResponse[]) {
        if (one.errorCode === Errors.KAFKA_STORAGE_ERROR && apiVersion < STORAGE_ERROR_VERSION_MIN) {
          one.errorCode = Errors.NOT_LEADER_OR_FOLLOWER;
        }
        if (one.errorCode !== Errors.NOT_LEADER_OR_FOLLOWER || apiVersion < LEADER_VERSION_MIN) continue;
        leaders ??= new LeaderEndpoints(this.#services, this.#context);
        const name =
          apiVersion >= TOPIC_ID_VERSION_MIN
            ? this.#services.image.topicById(topic.topicId)?.name
            : topic.name;
        if (name !== undefined) one.currentLeader = leaders.leaderOf(name, one.index);
      }
    }
    return { ...response, nodeEndpoints: leaders?.nodeEndpoints() ?? [] };
  }
}

function keptTopic(topic: ProducedTopic): ProducedTopic {
  return {
    ...topic,
    partitionData: topic.partitionData.map(({ records, ...rest }) => ({
      ...rest,
      records: records === null ? null : Buffer.from(records),
    })),
  };
}

/** Resolves when all are committed or the time is over; what failed has its error in its response. */
function waitForCommit(services: Services, waits: readonly Wait[], timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    let left = waits.length;
    const cancels: (() => void)[] = [];
    const deadline = services.deadlines.after(timeoutMs, () => {
      for (const cancel of cancels) cancel();
      resolve();
    });
    for (const { partition, offset, response } of waits) {
      // What the answer says if the time is over before the commit.
      response.errorCode = Errors.REQUEST_TIMED_OUT;
      cancels.push(
        partition.whenCommitted(offset, (outcome) => {
          response.errorCode = outcome === 'committed' ? partition.checkCommitted() : lossOf(partition);
          left -= 1;
          if (left > 0) return;
          deadline.cancel();
          resolve();
        }),
      );
    }
  });
}

/** Whether the batch is committed is not known here any more: an error after which the client asks again. */
function lossOf(partition: Partition): ErrorCode {
  const errorCode = partition.check(-1);
  return errorCode === Errors.NONE ? Errors.NOT_LEADER_OR_FOLLOWER : errorCode;
}
