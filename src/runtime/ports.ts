/** The real ports, put together. */
import type { Logger, Ports } from '../base/ports.ts';
import { readBootId } from './boot-id.ts';
import { realClock } from './clock.ts';
import { realDisk } from './disk.ts';
import { createLogger } from './logger.ts';
import { realNetwork } from './network.ts';
import { realRandom } from './random.ts';
import { realTimers } from './timers.ts';

/** `sendsRegions` false: files are never sent by the system alone, as where it cannot. */
export function realPorts(
  options: { readonly logger?: Logger; readonly sendsRegions?: boolean } = {},
): Ports {
  const logger = options.logger ?? createLogger();
  return {
    clock: realClock(),
    timers: realTimers(),
    random: realRandom(),
    disk: realDisk({ sendsRegions: options.sendsRegions ?? true }),
    network: realNetwork({ logger }),
    logger,
    bootId: readBootId(),
  };
}
