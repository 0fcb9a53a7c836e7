/**
 * The partitions of an internal topic that this broker leads, with a shard for each, and the way of a request to the shard
 * of its key: what all coordinators have in common.
 */
import { Errors, type ErrorCode } from '../protocol/errors.ts';
import { coordinatorError } from './append-errors.ts';
import type { StateMachine, Turn } from './machine.ts';
import { partitionForKey } from './partitioning.ts';
import type { Shard } from './shard.ts';

/** A shard that is about to load. */
export interface NewShard<E, M extends StateMachine<E>> {
  readonly shard: Shard<E, M>;
  /** Called when the partition is led no more, before whoever waits is told. */
  readonly close?: () => void;
}

interface Led<E, M extends StateMachine<E>> extends NewShard<E, M> {
  readonly loaded: Promise<void>;
}

export class LedShards<E, M extends StateMachine<E>> {
  readonly #partitionCount: () => number;
  readonly #led = new Map<number, Led<E, M>>();

  /** `partitionCount`: those that the topic has, or will have when it is made. */
  constructor(partitionCount: () => number) {
    this.#partitionCount = partitionCount;
  }

  /** The partition whose leader coordinates what has this key. */
  partitionFor(key: string): number {
    return partitionForKey(key, this.#partitionCount());
  }

  /** This broker leads the partition from now on. Resolves when its shard is loaded, or will not be. */
  elect(partition: number, leaderEpoch: number, begin: () => NewShard<E, M>): Promise<void> {
    const led = this.#led.get(partition);
    if (led !== undefined && led.shard.leaderEpoch >= leaderEpoch) return led.loaded;
    this.resign(partition);
    const begun = begin();
    const loaded = begun.shard.load();
    this.#led.set(partition, { ...begun, loaded });
    return loaded;
  }

  /** This broker does not lead the partition any more: whoever waits is told to look for another coordinator. */
  resign(partition: number): void {
    const led = this.#led.get(partition);
    this.#led.delete(partition);
    led?.close?.();
    led?.shard.unload();
  }

  resignAll(): void {
    for (const partition of this.#led.keys()) this.resign(partition);
  }

  at(partition: number): Shard<E, M> | undefined {
    return this.#led.get(partition)?.shard;
  }

  of(key: string): Shard<E, M> | undefined {
    return this.at(this.partitionFor(key));
  }

  shards(): Shard<E, M>[] {
    return Array.from(this.#led.values(), ({ shard }) => shard);
  }

  /** Now, or once those that are loading have loaded. */
  forEachLoaded(action: (shard: Shard<E, M>) => void): void {
    for (const { shard, loaded } of this.#led.values()) {
      if (shard.state === 'loading') void loaded.then(() => action(shard));
      else action(shard);
    }
  }

  /** What a reader gets, who waits for nothing: the key's state machine, or why there is none to be asked. */
  read<R>(key: string, look: (machine: M) => R, refuse: (errorCode: ErrorCode) => R): R {
    const shard = this.of(key);
    const errorCode = (shard?.unavailable ?? Errors.NOT_COORDINATOR) as ErrorCode;
    return shard === undefined || errorCode !== Errors.NONE ? refuse(errorCode) : look(shard.machine);
  }

  /** An operation that is answered when its records are committed. */
  write<R>(
    key: string,
    operation: (machine: M, turn: Turn<E>) => R,
    refuse: (errorCode: ErrorCode) => R,
  ): Promise<R> {
    const shard = this.of(key);
    if (shard === undefined) return Promise.resolve(refuse(Errors.NOT_COORDINATOR));
    return new Promise((resolve) => {
      shard.write((turn) => operation(shard.machine, turn), {
        reply: resolve,
        fail: (errorCode) => resolve(refuse(coordinatorError(errorCode) as ErrorCode)),
      });
    });
  }
}
