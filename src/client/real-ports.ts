/** The real world, for clients that are not handed another one: the one place of the client that chooses. */
import { realClock } from '../runtime/clock.ts';
import { realNetwork } from '../runtime/network.ts';
import { realRandom } from '../runtime/random.ts';
import { silentLogger } from '../runtime/silent-logger.ts';
import { realTimers } from '../runtime/timers.ts';
import type { ClientPorts } from './options.ts';

export function realPorts(): ClientPorts {
  const logger = silentLogger();
  return {
    clock: realClock(),
    timers: realTimers(),
    random: realRandom(),
    network: realNetwork({ logger }),
    logger,
  };
}
