/** The real ports, put together. */
import type { Logger, Ports } from '../base/ports.ts';
import { readBootId } from './boot-id.ts';
import { realClock } from './clock.ts';
import { realDisk } from './disk.ts';
import { createLogger } from './logger.ts';
import { realNetwork } from './network.ts';
import { realRandom } from './random.ts';
import { realTimers } from './timers.ts';

export function realPorts(options: { readonly logger?: Logger } = {}): Ports {
  const logger = options.logger ?? createLogger();
  return {
    clock: realClock(),
    timers: realTimers(),
    random: realRandom(),
    disk: realDisk(),
    network: realNetwork({ logger }),
    logger,
    bootId: readBootId(),
  };
}
