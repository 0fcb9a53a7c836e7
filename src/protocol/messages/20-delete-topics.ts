/**
 * DeleteTopics (key 20). Deletes topics.
 *
 *     3    TOPIC_DELETION_DISABLED
 *     5    error messages; THROTTLING_QUOTA_EXCEEDED (KIP-599)
 *     6    by topic id too (KIP-516)
 */
import {
  array,
  at,
  int16,
  int32,
  message,
  nullable,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const DeleteTopicsRequest = message(
  'DeleteTopicsRequest',
  { key: 20, versions: '1-6', flexible: '4+' },
  {
    topics: at(
      '6+',
      array(
        struct({
          name: orNull(string),
          topicId: uuid,
        }),
      ),
    ),
    topicNames: at('0-5', array(string)),
    timeoutMs: int32,
  },
);
export type DeleteTopicsRequest = Read<typeof DeleteTopicsRequest>;

export const DeleteTopicsResponse = message(
  'DeleteTopicsResponse',
  { key: 20, versions: '1-6', flexible: '4+' },
  {
    throttleTimeMs: int32,
    responses: array(
      struct({
        name: nullable(string, '6+'),
        topicId: at('6+', uuid),
        errorCode: int16,
        errorMessage: at('5+', orNull(string)),
      }),
    ),
  },
);
export type DeleteTopicsResponse = Read<typeof DeleteTopicsResponse>;
