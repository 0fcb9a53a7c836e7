/**
 * What classic consumers say to each other through JoinGroup and SyncGroup: subscription and assignment, each with its
 * version (int16) in front. The coordinator reads them only to tell which topics a group subscribes to, and to move
 * groups between the protocols.
 */
import { array, at, bytes, int32, message, or, orNull, string, struct, type Read } from '../schema.ts';

export const ConsumerProtocolAssignment = message(
  'ConsumerProtocolAssignment',
  { versions: '0-3', flexible: 'none' },
  {
    assignedPartitions: array(
      struct({
        topic: string,
        partitions: array(int32),
      }),
    ),
    userData: orNull(bytes),
  },
);
export type ConsumerProtocolAssignment = Read<typeof ConsumerProtocolAssignment>;

export const ConsumerProtocolSubscription = message(
  'ConsumerProtocolSubscription',
  { versions: '0-3', flexible: 'none' },
  {
    topics: array(string),
    userData: orNull(bytes),
    ownedPartitions: at(
      '1+',
      array(
        struct({
          topic: string,
          partitions: array(int32),
        }),
      ),
    ),
    generationId: at('2+', or(-1, int32)),
    rackId: at('3+', orNull(string)),
  },
);
export type ConsumerProtocolSubscription = Read<typeof ConsumerProtocolSubscription>;
