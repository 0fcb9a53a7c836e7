/**
 * How far a connection on a listener with SASL has come: a mechanism is agreed on, its steps are made, and from then on the
 * connection is somebody's, until the time is over after which it must say so again (KIP-368).
 */
import type { Entrance } from './authentication-limits.ts';
import type { SaslExchange } from '../security/sasl/exchange.ts';

interface Begun {
  readonly mechanism: string;
  readonly exchange: SaslExchange;
  /** What follows are the mechanism's messages alone, without requests around them (SaslHandshake version 0). */
  readonly isBare: boolean;
}

export class SaslSession {
  /** The exchange under way. */
  begun: Begun | undefined;
  /** An answer says so, and then the connection ends. */
  hasFailed = false;
  /** By which mechanism the other side has shown who it is. */
  #mechanism: string | undefined;
  /** Monotonic; undefined: never. */
  #endsAtMs: number | undefined;
  readonly #entrance: Entrance;

  constructor(entrance: Entrance) {
    this.#entrance = entrance;
  }

  /** The mechanism of a connection that is somebody's already; undefined: nobody's yet. */
  get mechanism(): string | undefined {
    return this.#mechanism;
  }

  /** Whether requests of any kind may come. */
  isOpen(nowMs: () => number): boolean {
    if (this.#mechanism === undefined || this.hasFailed || this.begun !== undefined) return false;
    return this.#endsAtMs === undefined || nowMs() < this.#endsAtMs;
  }

  authenticated(mechanism: string, endsAtMs?: number): void {
    this.begun = undefined;
    this.#mechanism = mechanism;
    this.#endsAtMs = endsAtMs;
    this.#entrance.leave();
  }

  /** The connection has ended. */
  gone(): void {
    this.#entrance.leave();
  }
}
