// For tests: commands against a broker in simulation. Each command has a client of its own, as in a process of its own.
import { testWorld } from '../broker/test-client.ts';
import { Client } from '../client/client.ts';
import { clientPorts } from '../client/test-cluster.ts';
import type { ClientPorts } from '../client/options.ts';
import type { CommandWorld } from './command.ts';
import { describeFailure } from './failures.ts';

const BOOTSTRAP = 'broker:19092';

export interface Ran {
  /** What was printed. */
  readonly text: string;
  /** What was said to whoever sits in front of it. */
  readonly notes: string;
  readonly failure: {
    readonly exitCode: number;
    readonly problems: readonly string[];
    readonly advice?: string;
  } | null;
}

export interface RunOptions {
  readonly json?: boolean;
  /** Called with all that has been printed so far. */
  readonly onWrite?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface CommandScene {
  run(command: (world: CommandWorld) => Promise<void>, options?: RunOptions): Promise<Ran>;
  /** What a command prints for scripts. */
  data<T>(command: (world: CommandWorld) => Promise<void>): Promise<T>;
  settle<T>(promise: Promise<T>): Promise<T>;
  pass(ms: number): Promise<void>;
  client(): Client;
  nowMs(): number;
  end(): Promise<void>;
}

/** Runs commands by clients of their own. */
export function commandRunner(
  newPorts: () => ClientPorts,
  { settle, bootstrap }: { readonly settle: CommandScene['settle']; readonly bootstrap: string },
): Pick<CommandScene, 'run' | 'data'> {
  const run: CommandScene['run'] = async (command, options = {}) => {
    const ports = newPorts();
    const client = new Client({ bootstrap, ports });
    let [text, notes] = ['', ''];
    const world: CommandWorld = {
      admin: () => Promise.resolve(client.admin()),
      producer: (given) => Promise.resolve(client.producer(given)),
      consumer: (given) => Promise.resolve(client.consumer(given)),
      terminal: {
        write(data) {
          text += typeof data === 'string' ? data : Buffer.from(data).toString();
          options.onWrite?.(text);
          return undefined;
        },
        note: (line) => void (notes += line),
        showProgress: () => {},
      },
      clock: ports.clock,
      timers: ports.timers,
      signal: options.signal ?? new AbortController().signal,
      json: options.json ?? false,
    };
    try {
      await settle(command(world));
      return { text, notes, failure: null };
    } catch (error) {
      return { text, notes, failure: describeFailure(error, { bootstrap, command: 'test' }) };
    } finally {
      await settle(client.close());
    }
  };
  return {
    run,
    async data(command) {
      const { text, failure } = await run(command, { json: true });
      if (failure !== null) throw new Error(failure.problems.join('\n'));
      return JSON.parse(text);
    },
  };
}

export async function commandScene(settings: Readonly<Record<string, string>> = {}): Promise<CommandScene> {
  const { world } = await testWorld({
    'advertised.listeners': `PLAINTEXT://${BOOTSTRAP}`,
    'group.initial.rebalance.delay.ms': '0',
    ...settings,
  });
  const { time, wires } = world.ports;
  let clients = 0;
  const kept: Client[] = [];
  const newPorts = (): ClientPorts => clientPorts({ time, wires }, `command${(clients += 1)}`);
  const settle = <T>(promise: Promise<T>): Promise<T> => time.settle(promise);
  return {
    ...commandRunner(newPorts, { settle, bootstrap: BOOTSTRAP }),
    settle,
    pass: async (ms) => settle(new Promise<void>((resolve) => void newPorts().timers.after(ms, resolve))),
    nowMs: () => newPorts().clock.nowMs(),
    client() {
      const client = new Client({ bootstrap: BOOTSTRAP, ports: newPorts() });
      kept.push(client);
      return client;
    },
    async end() {
      for (const client of kept) await settle(client.close());
      await world.stop();
    },
  };
}
