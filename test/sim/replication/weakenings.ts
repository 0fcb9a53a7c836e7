/** Mistakes that others have made, planted one at a time: the simulation must see each of them. */
import type { TestContext } from 'node:test';
import { Log } from '../../../src/log/log.ts';
import { Leadership } from '../../../src/replication/leadership.ts';
import { Partition } from '../../../src/replication/partition.ts';

export interface Weakening {
  readonly name: string;
  /** Before it no world shows the mistake; it was looked for once, so that each run need not. */
  readonly firstSeed?: number;
  plant(mock: TestContext['mock']): void;
}

export const WEAKENINGS: readonly Weakening[] = [
  {
    name: 'whoever asks is answered, whatever epoch it knows (without KIP-320)',
    firstSeed: 102,
    plant(mock) {
      const { check } = Partition.prototype;
      mock.method(Partition.prototype, 'check', function any(this: Partition, _epoch, options) {
        return check.call(this, -1, options);
      } as typeof check);
    },
  },
  {
    name: 'the leader commits what it has written, without waiting for the others',
    plant(mock) {
      mock.method(Leadership.prototype, 'isMaximal', () => false);
    },
  },
  {
    name: 'a follower that is about to be in the in-sync set is not waited for (without KIP-497)',
    plant(mock) {
      mock.method(Leadership.prototype, 'isMaximal', function known(this: Leadership, nodeId: number) {
        return this.isr.includes(nodeId);
      });
    },
  },
  {
    name: 'who follows a new leader cuts its log to its own watermark (before KIP-101)',
    plant(mock) {
      const { apply } = Partition.prototype;
      mock.method(Partition.prototype, 'apply', function cutting(this: Partition, state) {
        const before = this.leaderEpoch;
        apply.call(this, state);
        if (this.leaderEpoch > before && this.isFollowing(this.leaderEpoch))
          this.truncateTo(this.highWatermark);
      } as typeof apply);
    },
  },
  {
    name: 'what is not on the disk counts as if it were',
    plant(mock) {
      mock.getter(Log.prototype, 'durableEndOffset', function end(this: Log) {
        return this.logEndOffset;
      });
    },
  },
  {
    name: 'a follower comes in sync before it has reached the watermark',
    plant(mock) {
      mock.method(Leadership.prototype, 'isCaughtUp', () => true);
    },
  },
  {
    name: 'who has led keeps records that the new leader does not have',
    plant(mock) {
      mock.method(Log.prototype, 'endOffsetForEpoch', function own(this: Log, epoch: number) {
        return { epoch, endOffset: this.logEndOffset };
      });
    },
  },
];
