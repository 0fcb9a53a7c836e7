/**
 * OffsetFetch (key 9). The offsets that groups have committed.
 *
 *     2    null asks for all topics; errors of the group stand once, at the top
 *     5    leader epochs (KIP-320)
 *     7    requireStable: wait for open transactions (KIP-447)
 *     8    several groups in one request (KIP-709)
 *     9    member id and epoch are checked in the consumer protocol (KIP-848)
 *     10   topic ids instead of names (KIP-848)
 */
import {
  array,
  at,
  bool,
  int16,
  int32,
  int64,
  message,
  nullable,
  or,
  orNull,
  string,
  struct,
  uuid,
  type Read,
} from '../schema.ts';

export const OffsetFetchRequest = message(
  'OffsetFetchRequest',
  { key: 9, versions: '1-10', flexible: '6+' },
  {
    groupId: at('0-7', string),
    topics: at(
      '0-7',
      nullable(
        array(
          struct({
            name: string,
            partitionIndexes: array(int32),
          }),
        ),
        '2-7',
      ),
    ),
    groups: at(
      '8+',
      array(
        struct({
          groupId: string,
          memberId: at('9+', orNull(string)),
          memberEpoch: at('9+', or(-1, int32)),
          topics: nullable(
            array(
              struct({
                name: at('8-9', string),
                topicId: at('10+', uuid),
                partitionIndexes: array(int32),
              }),
            ),
          ),
        }),
      ),
    ),
    requireStable: at('7+', or(false, bool)),
  },
);
export type OffsetFetchRequest = Read<typeof OffsetFetchRequest>;

export const OffsetFetchResponse = message(
  'OffsetFetchResponse',
  { key: 9, versions: '1-10', flexible: '6+' },
  {
    throttleTimeMs: at('3+', int32),
    topics: at(
      '0-7',
      array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: at('5-7', or(-1, int32)),
              metadata: nullable(string),
              errorCode: int16,
            }),
          ),
        }),
      ),
    ),
    errorCode: at('2-7', or(0, int16)),
    groups: at(
      '8+',
      array(
        struct({
          groupId: string,
          topics: array(
            struct({
              name: at('8-9', string),
              topicId: at('10+', uuid),
              partitions: array(
                struct({
                  partitionIndex: int32,
                  committedOffset: int64,
                  committedLeaderEpoch: or(-1, int32),
                  metadata: nullable(string),
                  errorCode: int16,
                }),
              ),
            }),
          ),
          errorCode: or(0, int16),
        }),
      ),
    ),
  },
);
export type OffsetFetchResponse = Read<typeof OffsetFetchResponse>;
