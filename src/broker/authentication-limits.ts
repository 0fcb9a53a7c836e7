/**
 * How many connections there may be that have not said who they are, for how long, and how large their requests may be. Behind
 * such a connection is whoever can reach the port.
 */
import type { Connection, Timer, Timers } from '../base/ports.ts';

export const AUTHENTICATION_MS_MAX = 10_000;
export const UNAUTHENTICATED_MAX = 2_000;
/** From one address. */
export const UNAUTHENTICATED_PER_HOST_MAX = 200;
export const UNAUTHENTICATED_FRAME_BYTES_MAX = 64 * 1024;

/** The place of one connection that has not said who it is. */
export interface Entrance {
  /** It has said so, or has gone; further calls do nothing. */
  leave(): void;
}

export class AuthenticationLimits {
  readonly #timers: Timers;
  readonly #perHost = new Map<string, number>();
  #count = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Closes the connection when it takes too long. Undefined: there are too many. */
  enter(connection: Pick<Connection, 'remoteHost' | 'destroy'>): Entrance | undefined {
    const { remoteHost } = connection;
    const fromHost = this.#perHost.get(remoteHost) ?? 0;
    if (this.#count >= UNAUTHENTICATED_MAX || fromHost >= UNAUTHENTICATED_PER_HOST_MAX) return undefined;
    this.#count += 1;
    this.#perHost.set(remoteHost, fromHost + 1);
    let limit: Timer | undefined = this.#timers.after(AUTHENTICATION_MS_MAX, () => connection.destroy());
    return {
      leave: () => {
        if (limit === undefined) return;
        limit.cancel();
        limit = undefined;
        this.#count -= 1;
        const left = this.#perHost.get(remoteHost)! - 1;
        if (left === 0) this.#perHost.delete(remoteHost);
        else this.#perHost.set(remoteHost, left);
      },
    };
  }
}
