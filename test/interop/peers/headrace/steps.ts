/** The steps of a transaction, or of a plain send, as far as they have been done: with the offsets that were acknowledged. */
import type { RecordMetadata, SentRange } from '../../../../src/client/client.ts';
import type { Polled, SendStep, Step } from '../../../workload/history.ts';

type Send = readonly [key: string, value: number];

export class Steps {
  readonly #steps: Step[] = [];
  readonly #open: Promise<unknown>[] = [];

  poll(found: Polled): void {
    this.#steps.push({ poll: found });
  }

  /** `sent` may fail before anybody waits for it. */
  send([key, value]: Send, sent: Promise<RecordMetadata>): void {
    const at = this.#push([key, value]);
    this.#wait(sent.then(({ offset }) => this.#acknowledge(at, offset)));
  }

  /** Values of one key that were sent in one call. */
  sendAll(sends: readonly Send[], sent: Promise<readonly SentRange[]>): void {
    const places = sends.map((send) => this.#push(send));
    this.#wait(
      sent.then((ranges) => {
        const offsets = ranges
          .toSorted((one, other) => one.baseOffset - other.baseOffset)
          .flatMap(({ baseOffset, count }) =>
            Array.from({ length: count }, (_, index) => (baseOffset < 0 ? -1 : baseOffset + index)),
          );
        if (offsets.length !== sends.length)
          throw new Error(`${offsets.length} of ${sends.length} acknowledged`);
        // Which part an unknown offset belongs to is not said either.
        if (offsets.includes(-1)) return;
        for (const [index, at] of places.entries()) this.#acknowledge(at, offsets[index]!);
      }),
    );
  }

  /** Resolves when everything that was sent is; rejects with the first failure. */
  async acknowledged(): Promise<void> {
    await Promise.all(this.#open);
  }

  list(): Step[] {
    return [...this.#steps];
  }

  #push(send: Send): number {
    return this.#steps.push({ send }) - 1;
  }

  #wait(acknowledged: Promise<void>): void {
    acknowledged.catch(() => {});
    this.#open.push(acknowledged);
  }

  /** -1: the broker had it already, and does not say where. */
  #acknowledge(at: number, offset: number): void {
    if (offset < 0) return;
    const [key, value] = (this.#steps[at] as SendStep).send;
    this.#steps[at] = { send: [key, value, offset] };
  }
}
