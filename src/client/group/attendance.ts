/**
 * What members of a group do alike, whichever protocol the group speaks: one attends at a time, until nothing is due; what was
 * lost is told first; what fails for a while is repeated; and the close ends all of it.
 */
import { backoffMs, pause, unlessAborted } from '../backoff.ts';
import type { TopicPartition } from '../consumer/options.ts';
import { connectionError, ownError, type KafkaError } from '../errors.ts';
import type { MembershipOptions } from './group-membership.ts';

export interface AttendanceSteps {
  /** The group wants something, besides what the attendance knows itself. */
  readonly isDue: () => boolean;
  /** One step towards nothing being due. */
  readonly step: () => Promise<void>;
  /** Whether the next step may help where this one has failed, though the error is not one that passes. */
  readonly mayRepeat: (failure: KafkaError) => boolean;
}

export class Attendance {
  readonly #options: MembershipOptions;
  readonly #steps: AttendanceSteps;
  #isLost = false;
  #fatal: KafkaError | undefined;
  #attending: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(options: MembershipOptions, steps: AttendanceSteps) {
    this.#options = options;
    this.#steps = steps;
  }

  get needsAttention(): boolean {
    return this.#isDue || this.isUnderWay;
  }

  get isUnderWay(): boolean {
    return this.#attending !== undefined;
  }

  get #isDue(): boolean {
    return this.#isLost || this.#fatal !== undefined || this.#steps.isDue();
  }

  /** Aborted by the close. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** The error after which there is no membership any more. */
  get fatal(): KafkaError | undefined {
    return this.#fatal;
  }

  /** The group has gone on without this member: what it had is lost. */
  lose(fatal?: KafkaError): void {
    this.#isLost = true;
    this.#fatal ??= fatal;
    this.#options.host.onAttention();
  }

  attend(signal?: AbortSignal): Promise<void> {
    this.#attending ??= this.#attend().finally(() => {
      this.#attending = undefined;
    });
    return unlessAborted(this.#attending, signal);
  }

  /** False when it was closed before. Resolves when nothing is under way. */
  async close(): Promise<boolean> {
    if (this.signal.aborted) return false;
    this.#closing.abort(ownError('CLOSED', 'the consumer has been closed'));
    if (this.#attending === undefined) return true;
    // The broker may keep a join for long, and whatever is sent behind it.
    this.#options.coordinator.close();
    await this.#attending.catch(() => {});
    return true;
  }

  async #attend(): Promise<void> {
    const { core, host, group } = this.#options;
    for (let failures = 0; this.#isDue;) {
      this.signal.throwIfAborted();
      if (this.#isLost) {
        await host.onLost(host.owned());
        this.#isLost = false;
      }
      if (this.#fatal !== undefined) throw this.#fatal;
      try {
        await this.#steps.step();
        failures = 0;
      } catch (error) {
        const failure = connectionError(error, `joining group ${group}`);
        this.signal.throwIfAborted();
        if (!failure.retriable && !this.#steps.mayRepeat(failure)) throw failure;
        failures += 1;
        await pause(core.ports.timers, backoffMs(failures, core.settings, core.ports.random), this.signal);
      }
    }
  }
}

/** Those of a list that are not in the other. */
export function without(
  list: readonly TopicPartition[],
  others: readonly TopicPartition[],
): TopicPartition[] {
  const keys = new Set(others.map(({ topic, partition }) => `${partition} ${topic}`));
  return list.filter(({ topic, partition }) => !keys.has(`${partition} ${topic}`));
}
