/**
 * Carries a client's requests to the broker, and not always as it should: some come late, after the client has given them
 * up, some come twice, the second time long after the answer, and some answers are lost. What is late comes over other
 * connections, so it is also out of order: a broker that was paused, or a network that held bytes back, does the same.
 */
import type { Message } from '../../../src/protocol/schema.ts';
import type { SimulatedRandom } from '../../../src/runtime/simulated-random.ts';
import type { Asking } from '../asking.ts';
import { UnknownOutcome } from '../client.ts';
import type { Stage } from '../stage.ts';

const REQUEST_TIMEOUT_MS = 3_000;
/** How late a request may arrive: later than several transactions, and than their timeout. */
export const LATE_MS_MAX = 15_000;
/** Within the transaction, in the next one, or long after. */
const LATENESS_MS = [100, 400, 2_000, LATE_MS_MAX];
const LATE_CONNECTIONS = 2;

/** Shares of all requests. */
const TWICE = 0.12;
const LATE = 0.05;
const UNANSWERED = 0.05;

export interface Call<Q, QW, P, PW> {
  readonly request: Message<Q, QW>;
  readonly response: Message<P, PW>;
  readonly version: number;
  readonly body: QW;
}

export interface CourierOptions {
  readonly name: string;
  readonly random: SimulatedRandom;
  /** How late at most, one of these. */
  readonly latenessMs?: readonly number[];
}

export class Courier {
  readonly stage: Stage;
  readonly #random: SimulatedRandom;
  readonly #client: Asking;
  readonly #late: readonly Asking[];
  readonly #latenessMs: readonly number[];
  #mayComeLate = false;

  constructor(stage: Stage, { name, random, latenessMs = LATENESS_MS }: CourierOptions) {
    this.#latenessMs = latenessMs;
    this.stage = stage;
    this.#random = random;
    this.#client = stage.client(name);
    this.#late = Array.from({ length: LATE_CONNECTIONS }, () => stage.client(`${name} late`));
  }

  /** Whether, since this was asked last, a request was sent that may still arrive although its client is done with it. */
  takeDoubt(): boolean {
    const mayComeLate = this.#mayComeLate;
    this.#mayComeLate = false;
    return mayComeLate;
  }

  disconnect(): void {
    this.#client.disconnect();
  }

  /** Rejects with UnknownOutcome. */
  async ask<Q, QW, P, PW>(call: Call<Q, QW, P, PW>): Promise<P> {
    const random = this.#random;
    const fate = this.stage.phase === 'faults' ? random.float() : 1;
    if (fate < TWICE + LATE) {
      this.#mayComeLate = true;
      void this.#sendLate(call);
      if (fate < LATE) {
        await this.stage.sleep(random.between(0, REQUEST_TIMEOUT_MS));
        throw new UnknownOutcome('the request is late');
      }
    }
    const { request, response, version, body } = call;
    let answer: P;
    try {
      answer = await this.#client.request(request, response, version, body, REQUEST_TIMEOUT_MS);
    } catch (error) {
      this.#mayComeLate = true;
      throw error;
    }
    if (fate < 1 - UNANSWERED || fate === 1) return answer;
    throw new UnknownOutcome('the answer is lost');
  }

  async #sendLate<Q, QW, P, PW>({ request, response, version, body }: Call<Q, QW, P, PW>): Promise<void> {
    const random = this.#random;
    const client = this.#late[random.integer(LATE_CONNECTIONS)]!;
    const latenessMs = this.#latenessMs;
    await this.stage.sleep(random.between(1, latenessMs[random.integer(latenessMs.length)]!));
    try {
      await client.request(request, response, version, body);
    } catch (error) {
      this.stage.unknown('late', error);
    }
  }
}
