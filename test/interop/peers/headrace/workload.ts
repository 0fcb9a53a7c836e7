/**
 * The workload's clients with Headrace's own client in every role (Workload.java has the others): lives that begin again when
 * something ends them, until they are told to stop.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isKafkaError } from '../../../../src/client/client.ts';
import { Life, nameOf, type Settings, Shared } from './life.ts';
import { belong } from './member.ts';
import { follow, wander } from './readers.ts';
import { sendTo } from './sender.ts';
import { move, write } from './transactors.ts';

const STOP_MS_MAX = 90_000;
const BETWEEN_LIVES_MS = 100;

export class Workload {
  readonly #shared: Shared;
  readonly #lives = new Map<Life, Promise<void>>();

  constructor(bootstrap: string, settings: Settings) {
    this.#shared = new Shared(bootstrap, settings);
    const { writers, movers, members = 0, wanderers, flows = [], readers } = settings;
    this.#start('writer', writers, write);
    this.#start('mover', movers, move);
    for (const key of flows) this.#start(`sender-${key}`, 1, (life) => sendTo(life, key));
    this.#start('member', members, belong);
    this.#start('wanderer', wanderers, wander);
    for (const isolation of readers) {
      this.#start(`reader-${isolation}`, 1, (life) => follow(life, isolation));
    }
  }

  state(): Record<string, number> {
    return { ...this.#shared.counts };
  }

  /** Lets each life end what it has begun. Answers with those that do not. */
  async stop(): Promise<{ readonly counts: Record<string, number>; readonly stuck: readonly string[] }> {
    this.#shared.isEnded = true;
    const ended = Promise.all(this.#lives.values()).then(() => this.#shared.close());
    await Promise.race([ended, delay(STOP_MS_MAX, undefined, { ref: false })]);
    const stuck = [...this.#lives.keys()].map(({ process, doing }) => `${process}: ${doing}`);
    return { counts: this.state(), stuck };
  }

  #start(role: string, count: number, body: (life: Life, index: number) => Promise<void>): void {
    for (let index = 0; index < count; index++) {
      const life = new Life(this.#shared, `${this.#shared.settings.name}-${role}-${index}`);
      const ended = this.#live(life, () => body(life, index)).finally(() => this.#lives.delete(life));
      this.#lives.set(life, ended);
    }
  }

  async #live(life: Life, body: () => Promise<void>): Promise<void> {
    while (!life.isEnded) {
      try {
        await body();
      } catch (error) {
        life.shared.count(`life ended: ${nameOf(error)}`);
        console.error(life.process, isKafkaError(error) ? error.message : error);
        await delay(BETWEEN_LIVES_MS);
      }
    }
  }
}
