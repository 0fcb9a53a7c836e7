/** consumer-protocol */
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
