/** Produce: appends each partition's batch and, with acks=all, answers once the batches are committed. */
import { ProduceRequest, ProduceResponse } from '../../protocol/messages/00-produce.ts';
import { Errors, type ErrorCode } from '../../protocol/errors.ts';
import {
  BATCH_HEADER_BYTES,
  batchSizeBytes,
  compressionType,
  isTransactional,
  LOG_OVERHEAD_BYTES,
  magic,
  MAGIC_CURRENT,
  MAGIC_POSITION,
} from '../../protocol/record-batch.ts';
import type { Write } from '../../protocol/schema.ts';
import type { Partition } from '../../replication/partition.ts';
import { CLOSE } from '../../rpc/server-connection.ts';
import { authorize, mayTopic } from '../authorization.ts';
import type { RequestContext } from '../context.ts';
import { handler, type Reply } from '../handler.ts';
import { LeaderEndpoints } from '../leader-endpoints.ts';
import type { Services } from '../services.ts';

type Response = Write<typeof ProduceResponse>;
type TopicResponse = Response['responses'][number];
type PartitionResponse = {
  -readonly [
    K in keyof TopicResponse['partitionResponses'][number]
  ]: TopicResponse['partitionResponses'][number][K];
};
type TopicRequest = ProduceRequest['topicData'][number];
type PartitionRequest = TopicRequest['partitionData'][number];

/** Admin tools with this client id may write into internal topics. */
const ADMIN_CLIENT_ID = '__admin_client';
const ZSTD_VERSION_MIN = 7;
const TOPIC_ID_VERSION_MIN = 13;
const LEADER_VERSION_MIN = 10;
const STORAGE_ERROR_VERSION_MIN = 4;
/** The smallest message of the oldest format, after its size. */
const ENTRY_OVERHEAD_BYTES = 14;

/** Up to so many partitions are compared each with each. */
const COMPARED_PARTITIONS_MAX = 20;

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
  readonly #nowMs: number;
  readonly #waits: Wait[] = [];
  #failed = false;

  constructor(request: ProduceRequest, context: RequestContext, services: Services) {
    this.#request = request;
    this.#context = context;
    this.#services = services;
    this.#nowMs = services.ports.clock.nowMs();
  }

  reply(): Reply<Response> {
    const { acks, timeoutMs } = this.#request;
    const refusal = this.#refusal();
    const topics = distinctPartitions(this.#request.topicData);
    const responses = topics.map((topic) => this.#appendTopic(topic, refusal));
    const response = { responses };
    if (acks === 0) return this.#failed ? CLOSE : undefined;
    if (this.#waits.length === 0) return this.#finish(response);
    // From here on nothing may hold on to the request: its frame is used again once it is answered.
    return waitForCommit(this.#services, this.#waits, timeoutMs).then(() => this.#finish(response));
  }

  /** An error of the request as a whole. */
  #refusal(): ErrorCode {
    const { acks, transactionalId } = this.#request;
    if (acks !== 0 && acks !== 1 && acks !== -1) return Errors.INVALID_REQUIRED_ACKS;
    if (!hasTransactionalBatch(this.#request)) return Errors.NONE;
    if (transactionalId === null) return Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    const may = authorize(this.#services, this.#context, {
      operation: 'WRITE',
      resource: 'TRANSACTIONAL_ID',
      name: transactionalId,
    });
    return may ? Errors.NONE : Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }

  #appendTopic(request: TopicRequest, refusal: ErrorCode): TopicResponse {
    const usesTopicId = this.#context.apiVersion >= TOPIC_ID_VERSION_MIN;
    const { image } = this.#services;
    const name = usesTopicId ? image.topicById(request.topicId)?.name : request.name;
    const errorCode = refusal !== Errors.NONE ? refusal : this.#topicError(name);
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

  #append(topic: string, { index, records }: PartitionRequest): PartitionResponse {
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
    if (isTransactional(records!)) {
      // Nobody coordinates transactions here yet: one that nobody ends would hide all that follows it.
      return this.#error(
        index,
        Errors.INVALID_TXN_STATE,
        topic,
        'The partition is not part of a transaction',
      );
    }
    const { acks } = this.#request;
    const result = partition.append(records!, {
      acks,
      origin: 'client',
      produceVersion: this.#context.apiVersion,
      nowMs: this.#nowMs,
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

/** What a Produce request may hold for a partition: exactly one batch, of magic 2. */
function checkRecords(
  records: Buffer | null,
  version: number,
): { readonly errorCode: ErrorCode; readonly message: string } | undefined {
  const first = records === null ? 'none' : entryAt(records, 0);
  if (first === 'corrupt') return corrupt('The bytes are no record batch');
  if (records === null || first === 'none') {
    return invalidRecord(`Produce requests with version ${version} must have at least one record batch`);
  }
  if (magic(records) !== MAGIC_CURRENT) {
    return invalidRecord(
      `Produce requests with version ${version} are only allowed to contain record batches with magic version 2`,
    );
  }
  if (batchSizeBytes(records) < BATCH_HEADER_BYTES) {
    return corrupt('The record batch is shorter than its header');
  }
  if (version < ZSTD_VERSION_MIN && compressionType(records) === 'zstd') {
    return {
      errorCode: Errors.UNSUPPORTED_COMPRESSION_TYPE,
      message: `Produce requests with version ${version} are not allowed to use ZStandard compression`,
    };
  }
  const second = entryAt(records, batchSizeBytes(records));
  if (second === 'corrupt') return corrupt('What follows the record batch is none');
  if (second === 'whole') {
    return invalidRecord(
      `Produce requests with version ${version} are only allowed to contain exactly one record batch per partition`,
    );
  }
  return undefined;
}

/** What begins at a position, as Kafka reads it: a part of a batch at the very end counts for nothing. */
function entryAt(records: Buffer, at: number): 'none' | 'whole' | 'corrupt' {
  const available = records.length - at;
  if (available < LOG_OVERHEAD_BYTES) return 'none';
  const sizeBytes = batchSizeBytes(records, at);
  if (sizeBytes < LOG_OVERHEAD_BYTES + ENTRY_OVERHEAD_BYTES) return 'corrupt';
  if (available <= MAGIC_POSITION) return 'none';
  if (magic(records, at) < 0 || magic(records, at) > MAGIC_CURRENT) return 'corrupt';
  return sizeBytes > available ? 'none' : 'whole';
}

function corrupt(message: string): { errorCode: ErrorCode; message: string } {
  return { errorCode: Errors.CORRUPT_MESSAGE, message };
}

function invalidRecord(message: string): { errorCode: ErrorCode; message: string } {
  return { errorCode: Errors.INVALID_RECORD, message };
}

function hasTransactionalBatch(request: ProduceRequest): boolean {
  for (const { partitionData } of request.topicData) {
    for (const { records } of partitionData) {
      if (records !== null && records.length >= BATCH_HEADER_BYTES && isTransactional(records)) return true;
    }
  }
  return false;
}

function hasPartitionTwice(partitions: readonly PartitionRequest[]): boolean {
  if (partitions.length === 0 || partitions.length > COMPARED_PARTITIONS_MAX) return true;
  for (let index = 1; index < partitions.length; index++) {
    for (let before = 0; before < index; before++) {
      if (partitions[before]!.index === partitions[index]!.index) return true;
    }
  }
  return false;
}

/**
 * The request as Kafka reads it: of a partition named twice the last mention counts, mentions of a topic are put
 * together, and a topic without partitions is none. Costs nothing for a few partitions of one topic.
 */
function distinctPartitions(topicData: readonly TopicRequest[]): readonly TopicRequest[] {
  if (topicData.length === 1 && !hasPartitionTwice(topicData[0]!.partitionData)) return topicData;
  const topics = new Map<string, { topic: TopicRequest; partitions: Map<number, PartitionRequest> }>();
  for (const topic of topicData) {
    const key = topic.topicId + topic.name;
    let known = topics.get(key);
    for (const data of topic.partitionData) {
      if (known === undefined) topics.set(key, (known = { topic, partitions: new Map() }));
      known.partitions.set(data.index, data);
    }
  }
  return [...topics.values()].map(({ topic, partitions }) => ({
    ...topic,
    partitionData: [...partitions.values()],
  }));
}
