/** Hands out producer ids one by one from blocks that the controller allocates, fetching the next block in time. */
import { Errors, KafkaError } from '../protocol/errors.ts';
import { PRODUCER_ID_BLOCK_SIZE, type ProducerIdBlock } from './controller/producer-ids.ts';

/** The next block is asked for when this many ids are left, so that nobody has to wait for it. */
const PREFETCH_BELOW = PRODUCER_ID_BLOCK_SIZE / 10;
/** Producers that wait for a block at the same time. */
export const WAITING_MAX = 10_000;

interface Waiter {
  readonly resolve: (producerId: number) => void;
  readonly reject: (error: Error) => void;
}

export class ProducerIds {
  private readonly allocate: () => Promise<ProducerIdBlock>;
  private next = 0;
  private end = 0;
  private following: ProducerIdBlock | undefined;
  private isFetching = false;
  private waiters: Waiter[] = [];

  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.allocate = allocate;
  }

  /** An id that nobody has had. Rejects with COORDINATOR_LOAD_IN_PROGRESS (retriable) while none can be had. */
  generate(): number | Promise<number> {
    const producerId = this.take();
    if (producerId !== undefined) return producerId;
    if (this.waiters.length >= WAITING_MAX) return Promise.reject(unavailable());
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  private take(): number | undefined {
    if (this.next === this.end && this.following !== undefined) {
      this.next = this.following.first;
      this.end = this.next + this.following.count;
      this.following = undefined;
    }
    if (this.end - this.next <= PREFETCH_BELOW && this.following === undefined) this.fetch();
    return this.next < this.end ? this.next++ : undefined;
  }

  private fetch(): void {
    if (this.isFetching) return;
    this.isFetching = true;
    this.allocate().then(
      (block) => {
        this.isFetching = false;
        this.following = block;
        const waiters = this.waiters;
        this.waiters = [];
        for (const waiter of waiters) this.serve(waiter);
      },
      (error: unknown) => {
        this.isFetching = false;
        const waiters = this.waiters;
        this.waiters = [];
        for (const waiter of waiters) waiter.reject(unavailable(error));
      },
    );
  }

  private serve(waiter: Waiter): void {
    const producerId = this.take();
    if (producerId === undefined) this.waiters.push(waiter);
    else waiter.resolve(producerId);
  }
}

/** Kafka's answer: clients ask again, also those that do not know of blocks. */
function unavailable(cause?: unknown): KafkaError {
  const message = 'Producer IDs block full, waiting for next block';
  return new KafkaError(Errors.COORDINATOR_LOAD_IN_PROGRESS, message, { cause });
}
