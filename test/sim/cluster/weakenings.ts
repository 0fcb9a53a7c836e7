/**
 * Builds that lack one of the rules that keep a cluster safe, each made by overriding a method from outside: the simulation
 * must see every one of them.
 */
import type { Compare, Operation } from '../../../src/base/ports.ts';
import { CONTROLLER_KEY } from '../../../src/metadata/keys.ts';
import { Log, StorageError } from '../../../src/log/log.ts';
import { MemoryStoreClient } from '../../../src/metadata/memory-store.ts';
import { Leadership } from '../../../src/replication/leadership.ts';
import { Partition } from '../../../src/replication/partition.ts';

/** What node:test's mock and a script both offer. */
export interface Planter {
  method<T extends object>(target: T, name: keyof T, implementation: unknown): void;
}

export interface Weakening {
  readonly name: string;
  readonly what: string;
  plant(planter: Planter): void;
}

export const WEAKENINGS: readonly Weakening[] = [
  {
    name: 'epochs',
    what: 'followers are answered, whatever leader epoch they know and of whichever epoch their last record is',
    plant(planter) {
      const { check } = Partition.prototype;
      planter.method(Partition.prototype, 'check', function any(this: Partition, _epoch, options) {
        return check.call(this, -1, options);
      } as typeof check);
      planter.method(Log.prototype, 'endOffsetForEpoch', function own(this: Log, epoch: number) {
        return { epoch, endOffset: this.logEndOffset };
      });
    },
  },
  {
    name: 'isr-fencing',
    what: 'an in-sync set is put whatever the partition epoch and the broker epochs are (without KIP-497, KIP-903)',
    plant(planter) {
      // A leader's change, and a broker's leaving: theirs are not the controller's.
      dropCompares(planter, (compares) =>
        compares.some(({ key }) => key === CONTROLLER_KEY)
          ? compares
          : compares.filter(({ key }) => !key.startsWith('partitions/') && !key.startsWith('brokers/')),
      );
    },
  },
  {
    name: 'early-watermark',
    what: 'the leader commits what it has written, without waiting for the others',
    plant(planter) {
      planter.method(Leadership.prototype, 'isMaximal', () => false);
    },
  },
  {
    name: 'truncation',
    what: 'who follows a new leader cuts its log to its own watermark (before KIP-101)',
    plant(planter) {
      const { apply } = Partition.prototype;
      planter.method(Partition.prototype, 'apply', function cutting(this: Partition, state) {
        const before = this.leaderEpoch;
        apply.call(this, state);
        if (this.leaderEpoch <= before || !this.isFollowing(this.leaderEpoch)) return;
        try {
          this.truncateTo(this.highWatermark);
        } catch (error) {
          // Its directory has failed, or its process has ended.
          if (!(error instanceof StorageError)) throw error;
        }
      } as typeof apply);
    },
  },
  {
    name: 'zombies',
    what: 'what a controller has decided is put, also when it was deposed or anything has changed since',
    plant(planter) {
      dropCompares(planter, (compares) =>
        compares.some(({ key }) => key === CONTROLLER_KEY) ? [] : compares,
      );
    },
  },
];

/** Of transactions that change partitions. */
function dropCompares(planter: Planter, keep: (compares: readonly Compare[]) => readonly Compare[]): void {
  const { txn } = MemoryStoreClient.prototype;
  planter.method(
    MemoryStoreClient.prototype,
    'txn',
    function careless(
      this: MemoryStoreClient,
      compares: readonly Compare[],
      operations: readonly Operation[],
    ) {
      const isOfPartitions = operations.some(({ key }) => key.startsWith('partitions/'));
      return txn.call(this, isOfPartitions ? keep(compares) : compares, operations);
    },
  );
}
