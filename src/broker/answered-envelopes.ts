/**
 * What the controller has answered lately to other brokers. An answer may be lost on its way, and then the broker asks again,
 * on another connection: it gets the same answer, and nothing is carried out twice. The controller that comes after this one
 * knows nothing of it: there, as in Kafka, what was carried out before is refused (a topic exists already) or done again.
 */
import type { EnvelopeResponse } from '../protocol/messages/58-envelope.ts';

/** Answers that are kept, the latest ones; a broker asks again within milliseconds. */
export const REMEMBERED_MAX = 256;
/** Of the answers that are kept together; one that is larger is kept alone. */
export const REMEMBERED_BYTES_MAX = 4 * 1024 * 1024;

interface Remembered {
  readonly answer: Promise<EnvelopeResponse>;
  sizeBytes: number;
}

export class AnsweredEnvelopes {
  /** In the order in which they came. */
  readonly #remembered = new Map<string, Remembered>();
  #sizeBytes = 0;

  /** `act` carries the request out, if it was not before. What rejects, or `mayAgain` allows to be tried again, is forgotten. */
  answer(
    requestKey: string,
    act: () => Promise<EnvelopeResponse>,
    mayAgain: (answer: EnvelopeResponse) => boolean,
  ): Promise<EnvelopeResponse> {
    const known = this.#remembered.get(requestKey);
    if (known !== undefined) return known.answer;
    const one: Remembered = { answer: act(), sizeBytes: 0 };
    this.#remembered.set(requestKey, one);
    one.answer.then(
      (answer) => {
        if (mayAgain(answer)) this.#forget(requestKey, one);
        else this.#grow(requestKey, one, answer.responseData?.length ?? 0);
      },
      () => this.#forget(requestKey, one),
    );
    this.#shrink();
    return one.answer;
  }

  #grow(requestKey: string, one: Remembered, sizeBytes: number): void {
    if (this.#remembered.get(requestKey) !== one) return;
    one.sizeBytes = sizeBytes;
    this.#sizeBytes += sizeBytes;
    this.#shrink();
  }

  #shrink(): void {
    for (const [requestKey, one] of this.#remembered) {
      const { size } = this.#remembered;
      if (size <= 1 || (size <= REMEMBERED_MAX && this.#sizeBytes <= REMEMBERED_BYTES_MAX)) return;
      this.#forget(requestKey, one);
    }
  }

  #forget(requestKey: string, one: Remembered): void {
    if (this.#remembered.get(requestKey) !== one) return;
    this.#remembered.delete(requestKey);
    this.#sizeBytes -= one.sizeBytes;
  }
}
