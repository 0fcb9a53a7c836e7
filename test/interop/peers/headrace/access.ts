/**
 * The clients of the workload: patient for seconds rather than minutes, since brokers die all the time. One of its own can
 * vanish from the cluster as if its process had been killed.
 */
import type { Connection } from '../../../../src/base/ports.ts';
import { Client, type ClientPorts, type ConnectionOptions } from '../../../../src/client/client.ts';
import { realClock } from '../../../../src/runtime/clock.ts';
import { realNetwork } from '../../../../src/runtime/network.ts';
import { realRandom } from '../../../../src/runtime/random.ts';
import { silentLogger } from '../../../../src/runtime/silent-logger.ts';
import { realTimers } from '../../../../src/runtime/timers.ts';

const PATIENCE = {
  requestTimeoutMs: 4_000,
  connectTimeoutMs: 4_000,
  retryBackoffMs: 20,
  retryBackoffMaxMs: 200,
  topicTimeoutMs: 15_000,
};

export interface Access {
  readonly client: Client;
  /** The life that had it is over. */
  leave(): Promise<void>;
  /** From now on nobody hears of it; undefined where others have it, too. */
  readonly vanish: (() => void) | undefined;
  readonly isGone: boolean;
}

export function commonAccess(options: ConnectionOptions): Access {
  return {
    client: new Client({ ...options, ...PATIENCE }),
    leave: () => Promise.resolve(),
    vanish: undefined,
    isGone: false,
  };
}

export function ownAccess(options: ConnectionOptions): Access {
  const logger = silentLogger();
  const network = realNetwork({ logger });
  const connections = new Set<Connection>();
  let isGone = false;
  const connect: ClientPorts['network']['connect'] = async (...to) => {
    if (isGone) throw new Error('cut off');
    const connection = await network.connect(...to);
    connections.add(connection);
    if (isGone) connection.destroy();
    return connection;
  };
  const client = new Client({
    ...options,
    ...PATIENCE,
    ports: {
      clock: realClock(),
      timers: realTimers(),
      random: realRandom(),
      network: { connect },
      logger,
    },
  });
  return {
    client,
    leave: () => client.close(),
    get isGone() {
      return isGone;
    },
    vanish() {
      isGone = true;
      for (const connection of connections) connection.destroy();
      // It goes on trying for a while: nobody waits for that.
      client.close().catch(() => {});
    },
  };
}
