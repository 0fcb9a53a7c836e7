/** The wire before a broker, as seen from outside: a process (wire.ts) on the broker's host that is told what to do to bytes. */
import { join } from 'node:path';
import { connect, type Socket } from 'node:net';
import { cleanEnvironment, Service } from './processes.ts';
import type { Host } from './network.ts';

export const CONTROL_PORT = 9300;

export interface Route {
  readonly from: number;
  readonly to: number;
}

/** What is done to what passes; what is not named is not done. */
export interface WireMode {
  /** Both directions. */
  readonly delayMs?: number;
  readonly jitterMs?: number;
  /** The beginning of each chunk goes byte by byte. */
  readonly drips?: boolean;
  /** Each second a connection ends with this chance: by RST, or by the end of one direction alone. */
  readonly resetChance?: number;
  readonly halfCloseChance?: number;
  /** Requests of these APIs are kept back, the client loses its connection, and the broker gets them later. */
  readonly hold?: Meddling;
  /** Requests of these APIs come a second time, later, over a connection of their own. */
  readonly double?: Meddling;
}

export interface Meddling {
  readonly apis: readonly number[];
  readonly chance: number;
  readonly delayMsMax: number;
}

/** How often what was done. */
export type WireCounts = Readonly<Record<string, number>>;

export class Wire {
  readonly service: Service;
  readonly #host: Host;

  constructor({ host, routes, log }: { host: Host; routes: readonly Route[]; log: string }) {
    this.#host = host;
    const command = [
      process.execPath,
      join(import.meta.dirname, 'wire.ts'),
      host.address,
      JSON.stringify(routes),
    ];
    this.service = new Service({ host, command, log, env: cleanEnvironment(), sign: 'wire ready' });
  }

  async start(): Promise<void> {
    if (!(await this.service.start()))
      throw new Error(`the wire did not start: see ${this.service.launch.log}`);
  }

  /** Answers with what it has done so far. */
  async set(mode: WireMode): Promise<WireCounts> {
    const socket = connect(CONTROL_PORT, this.#host.address);
    try {
      socket.end(`${JSON.stringify(mode)}\n`);
      return JSON.parse(await textOf(socket)) as WireCounts;
    } finally {
      socket.destroy();
    }
  }
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk as string;
  return text;
}
