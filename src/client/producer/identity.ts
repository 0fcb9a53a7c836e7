/** The producer id and epoch under which batches are written once (KIP-98), and how a new epoch is had (KIP-360). */
import { Errors } from '../../protocol/errors.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../protocol/messages/22-init-producer-id.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { ClientCore } from '../core.ts';
import { brokerError, isRetriableError } from '../errors.ts';
import { NO_IDENTITY, type BatchIdentity } from './batch.ts';

const EPOCH_MAX = 32_767;

export class ProducerIdentity {
  readonly #core: ClientCore;
  #current: BatchIdentity = NO_IDENTITY;
  #asking: Promise<void> | undefined;

  constructor(core: ClientCore) {
    this.#core = core;
  }

  /** NO_IDENTITY until `acquire` has resolved. The same object for as long as the epoch is the same. */
  get current(): BatchIdentity {
    return this.#current;
  }

  /** Asks for a producer id, again and again while that may help. Errors: KafkaError, or the signal's reason. */
  acquire(signal: AbortSignal): Promise<void> {
    this.#asking ??= this.#acquire(signal).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /**
   * What was written under the epoch so far cannot be followed any more. A producer that is in no transaction is alone with its
   * id, so it counts the epoch on by itself; after the last epoch it needs another id.
   */
  bump(): void {
    const { producerId, producerEpoch } = this.#current;
    this.#current =
      producerEpoch < EPOCH_MAX ? { producerId, producerEpoch: producerEpoch + 1 } : NO_IDENTITY;
  }

  async #acquire(signal: AbortSignal): Promise<void> {
    const { ports, settings, metadata } = this.#core;
    for (let failures = 1; ; failures++) {
      try {
        const answer = await metadata.askAny((link) =>
          link.ask({
            request: InitProducerIdRequest,
            response: InitProducerIdResponse,
            body: () => ({ transactionalId: null, transactionTimeoutMs: 0 }),
          }),
        );
        const { errorCode, producerId, producerEpoch } = answer;
        if (errorCode !== Errors.NONE) throw brokerError(errorCode, 'asking for a producer id');
        this.#current = { producerId, producerEpoch };
        return;
      } catch (error) {
        if (!isRetriableError(error)) throw error;
        await pause(ports.timers, backoffMs(failures, settings, ports.random), signal);
      }
    }
  }
}
