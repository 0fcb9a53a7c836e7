/**
 * What a follower does with a leader's answer for one partition. Between the request and its answer the follower may have
 * been told of another leader, or have cut its log: then the answer is about another time and is dropped. Everything here
 * happens in one step.
 */
import type { Logger } from '../base/ports.ts';
import { StorageError } from '../log/log.ts';
import * as header from '../protocol/record-batch.ts';
import { Errors, errorName } from '../protocol/errors.ts';
import type { FetchResponse } from '../protocol/messages/01-fetch.ts';
import type { WantedPartition } from './follower-session.ts';
import { truncationOffset, type DivergingEpoch } from './follower-truncation.ts';
import type { Partition } from './partition.ts';

export type PartitionAnswer = FetchResponse['responses'][number]['partitions'][number];

/** 'later': something is in the way, and the partition waits before it is asked for again. */
export type AnswerOutcome = 'fine' | 'later';

export interface AnswerOptions {
  readonly asked: WantedPartition;
  readonly leaderId: number;
  /** Wall time. */
  readonly nowMs: number;
  readonly logger: Logger;
}

export function takeAnswer(
  partition: Partition,
  answer: PartitionAnswer,
  options: AnswerOptions,
): AnswerOutcome {
  const { asked, leaderId } = options;
  if (!partition.isFollowing(asked.leaderEpoch) || partition.leaderId !== leaderId) return 'fine';
  if (partition.logEndOffset !== asked.fetchOffset) return 'fine';
  try {
    switch (answer.errorCode) {
      case Errors.NONE:
        return answer.divergingEpoch.endOffset >= 0
          ? cutBack(partition, answer.divergingEpoch, options)
          : append(partition, answer, options);
      case Errors.OFFSET_OUT_OF_RANGE:
        return beginAnew(partition, answer, options);
      default: {
        // One of the two does not know yet what the other knows.
        const error = errorName(answer.errorCode);
        options.logger.debug({ ...fieldsOf(partition), leaderId, error }, 'the leader refuses a fetch');
        return 'later';
      }
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    options.logger.warn({ ...fieldsOf(partition), error }, 'a follower cannot change its log');
    return 'later';
  }
}

function append(partition: Partition, answer: PartitionAnswer, options: AnswerOptions): AnswerOutcome {
  const { asked } = options;
  const { records } = answer;
  const { highWatermark, logStartOffset } = partition;
  const sizeBytes = records?.reduce((size, { length }) => size + length, 0) ?? 0;
  if (sizeBytes > 0) {
    const bytes = records!.length === 1 ? records![0]! : Buffer.concat(records!);
    // The leader's log begins within a batch, and ours is empty: it begins with that batch, and is cut below.
    const baseOffset = header.baseOffset(bytes);
    if (baseOffset < asked.fetchOffset && isEmpty(partition)) partition.truncateFullyAndStartAt(baseOffset);
    const { errorCode, errorMessage } = partition.appendAsFollower(bytes, options.nowMs);
    if (errorCode !== Errors.NONE) {
      const fields = { ...fieldsOf(partition), leaderId: options.leaderId, problem: errorMessage };
      options.logger.warn(fields, 'what the leader sent is not appended');
      return 'later';
    }
  }
  // What was known before the log began with an earlier batch is still so.
  partition.learn({
    highWatermark: Math.max(answer.highWatermark, highWatermark),
    logStartOffset: Math.max(answer.logStartOffset, logStartOffset),
  });
  return 'fine';
}

function cutBack(partition: Partition, diverging: DivergingEpoch, options: AnswerOptions): AnswerOutcome {
  const log = partition.log!;
  const before = { end: log.logEndOffset, epoch: log.latestEpoch };
  const offset = truncationOffset(log, diverging);
  const fields = { ...fieldsOf(partition), from: before.end, to: offset, diverging };
  if (offset < partition.highWatermark) {
    options.logger.error(
      fields,
      'the log is cut below its high watermark: committed records were lost before',
    );
  } else options.logger.info(fields, "the log is cut back to what it shares with the leader's");
  partition.truncateTo(offset);
  return log.logEndOffset < before.end || log.latestEpoch < before.epoch ? 'fine' : 'later';
}

/** The leader has deleted what comes next here, or everything here is of a log that was not this leader's. */
function beginAnew(partition: Partition, answer: PartitionAnswer, options: AnswerOptions): AnswerOutcome {
  const { logStartOffset } = answer;
  const log = partition.log!;
  const isBehind = log.logEndOffset <= logStartOffset;
  if (logStartOffset < 0 || !(isBehind || log.latestEpoch < 0)) return 'later';
  const fields = { ...fieldsOf(partition), from: log.logEndOffset, to: logStartOffset };
  options.logger.info(fields, 'the log begins anew where the one of the leader does');
  partition.truncateFullyAndStartAt(logStartOffset);
  return 'fine';
}

function isEmpty({ logStartOffset, logEndOffset }: Partition): boolean {
  return logStartOffset === logEndOffset;
}

function fieldsOf({ topic, partition, leaderEpoch }: Partition): object {
  return { topic, partition, leaderEpoch };
}
