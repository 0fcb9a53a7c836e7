/**
 * A broker inside a process, for tests: `await using headrace = await Headrace.start()`. It is the real broker on a real
 * socket; only its data is in memory, unless a folder is asked for.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../base/ports.ts';
import { startBroker, type Broker } from '../broker/broker.ts';
import { silentLogger } from '../runtime/logger.ts';
import { memoryDisk } from '../runtime/memory-disk.ts';
import { realPorts } from '../runtime/ports.ts';
import { startThread } from '../runtime/threads.ts';

export interface HeadraceOptions {
  /** The port on 127.0.0.1; a free one unless given. */
  readonly port?: number;
  /**
   * `memory` (the default), `temporary` for a folder that `stop` removes, or the path of a folder that stays: starting
   * on it again finds what was there.
   */
  readonly data?: 'memory' | 'temporary' | { readonly directory: string };
  /** Settings by Kafka's names, for example `{ 'num.partitions': 3 }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Where the broker logs; nowhere unless given. */
  readonly logger?: Logger;
}

/** What differs from a broker's defaults: a test's first group member need not wait for others to join. */
const TEST_SETTINGS: readonly (readonly [string, string])[] = [['group.initial.rebalance.delay.ms', '0']];
const CLEANER_THREAD = new URL('../../bin/cleaner-thread.ts', import.meta.url);
/** A path inside the disk in memory. */
const MEMORY_DIRECTORY = '/headrace';

export class Headrace implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly #broker: Broker;
  readonly #temporary: string | undefined;

  private constructor(broker: Broker, temporary: string | undefined) {
    this.host = broker.address.host;
    this.port = broker.address.port;
    this.#broker = broker;
    this.#temporary = temporary;
  }

  /** Resolves when clients are served. Rejects with a ConfigurationError that names a wrong setting. */
  static async start(options: HeadraceOptions = {}): Promise<Headrace> {
    const { data = 'memory', logger = silentLogger() } = options;
    const real = realPorts({ logger });
    const temporary = data === 'temporary' ? mkdtempSync(join(tmpdir(), 'headrace-')) : undefined;
    const directory = typeof data === 'object' ? data.directory : (temporary ?? MEMORY_DIRECTORY);
    const ports = data === 'memory' ? { ...real, disk: memoryDisk({ clock: real.clock }) } : real;
    const configs = new Map<string, string>(TEST_SETTINGS);
    configs.set('listeners', `PLAINTEXT://127.0.0.1:${options.port ?? 0}`);
    configs.set('log.dirs', directory);
    for (const [name, value] of Object.entries(options.settings ?? {})) configs.set(name, String(value));
    try {
      // What is in memory no other thread sees.
      const threads = data === 'memory' ? {} : { startCleanerThread: () => startThread(CLEANER_THREAD) };
      return new Headrace(await startBroker({ ports, configs, ...threads }), temporary);
    } catch (error) {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /** `host:port`, as clients want it. */
  get bootstrap(): string {
    return `${this.host}:${this.port}`;
  }

  /** Stops cleanly. May be called more than once. */
  async stop(): Promise<void> {
    await this.#broker.stop();
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
