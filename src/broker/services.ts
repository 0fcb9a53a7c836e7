/** What handlers may use: the parts of one broker, put together in `broker.ts`. */
import type { Ports } from '../base/ports.ts';

export interface Services {
  readonly ports: Ports;
  readonly nodeId: number;
}
