/**
 * `headrace dev-cluster`: etcd and several brokers on one machine, for trying a cluster and for tests. Each is a process of its
 * own, in a process group of its own, so that Ctrl-C reaches this one alone: it stops the brokers first, and etcd last. If this
 * process is killed itself, they notice and stop as well.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ETCD_VERSION, etcdProgram } from './etcd-program.ts';

const HEADRACE = join(import.meta.dirname, 'headrace.ts');
const READY_MS_MAX = 60_000;
/** A broker hands over what it leads before it ends. */
const STOP_MS_MAX = 40_000;
const SAME_SIGNAL_MS = 1_000;
const RESTART_DELAY_MS = 1_000;
const PROGRESS_MS = 5_000;
/** etcd outlives the brokers by so much when nobody is left to stop them in order: they hand over meanwhile. */
const ETCD_OUTLIVES_SECONDS = 5;
const REPLICAS = 3;
const MIN_INSYNC = 2;

export interface DevClusterFlags {
  readonly brokers: number;
  readonly port: number;
  readonly data: string;
  readonly pidDir?: string;
  readonly restart?: boolean;
  readonly etcd?: string;
  readonly set: readonly string[];
}

/** Resolves when all of it runs; it ends with this process. Rejects when a part does not come up. */
export async function startDevCluster(flags: DevClusterFlags): Promise<void> {
  const cluster = new DevCluster(flags);
  stopOnSignal(cluster);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class DevCluster {
  readonly #flags: DevClusterFlags;
  readonly #brokers = new Map<number, ChildProcess>();
  #etcd: ChildProcess | undefined;
  #location = '';
  #isStopping = false;

  constructor(flags: DevClusterFlags) {
    this.#flags = flags;
  }

  async start(): Promise<void> {
    const { brokers, port, data, pidDir } = this.#flags;
    mkdirSync(data, { recursive: true });
    if (pidDir !== undefined) mkdirSync(pidDir, { recursive: true });
    await this.#startEtcd();
    const ids = Array.from({ length: brokers }, (_, n) => n + 1);
    await Promise.all(ids.map((id) => this.#startBroker(id)));
    const addresses = ids.map((id) => `127.0.0.1:${this.#portOf(id)}`);
    say(`dev-cluster ready on ${addresses.join(',')}`);
    say(`  etcd       ${this.#location}, log in ${this.#logOf('etcd')}`);
    for (const id of ids)
      say(`  broker ${id}   127.0.0.1:${this.#portOf(id)}, log in ${this.#logOf(`broker-${id}`)}`);
    say(`  try        kcat -b ${addresses[0]} -L        (Ctrl-C ends all of it; from port ${port} on)`);
  }

  /** The brokers, which may hand over until the last one, and then etcd. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#brokers.values()].map((child) => end(child)));
    if (this.#etcd !== undefined) await end(this.#etcd);
  }

  /** At once; nothing is left behind. */
  kill(): void {
    this.#isStopping = true;
    for (const child of [...this.#brokers.values(), this.#etcd]) child?.kill('SIGKILL');
  }

  async #startEtcd(): Promise<void> {
    const program = await this.#etcdProgram();
    const [client, peer] = await freePorts(2);
    const clients = `http://127.0.0.1:${client}`;
    const peers = `http://127.0.0.1:${peer}`;
    this.#location = `etcd://127.0.0.1:${client}`;
    const args = [
      '--name=one',
      `--data-dir=${join(this.#flags.data, 'etcd')}`,
      `--listen-client-urls=${clients}`,
      `--advertise-client-urls=${clients}`,
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=one=${peers}`,
      '--log-level=warn',
    ];
    const outlivesSeconds = ETCD_OUTLIVES_SECONDS;
    this.#etcd = launch([program, ...args], { log: this.#logOf('etcd'), outlivesSeconds }).child;
    await healthy(this.#etcd, `${clients}/health`);
  }

  async #etcdProgram(): Promise<string> {
    const beganMs = performance.now();
    let ticks: NodeJS.Timeout | undefined;
    const tell = (): void =>
      say(`building etcd ${ETCD_VERSION}, once... ${Math.round((performance.now() - beganMs) / 1000)} s`);
    try {
      return await etcdProgram({
        named: this.#flags.etcd,
        onBuild: () => {
          say('there is no etcd on PATH (or name one by --etcd):');
          tell();
          ticks = setInterval(tell, PROGRESS_MS);
        },
      });
    } finally {
      clearInterval(ticks);
    }
  }

  async #startBroker(id: number): Promise<void> {
    const { data, brokers, set } = this.#flags;
    const settings = [
      // What is made without saying more survives the loss of a broker.
      `default.replication.factor=${Math.min(REPLICAS, brokers)}`,
      `min.insync.replicas=${Math.min(MIN_INSYNC, brokers)}`,
      ...set,
    ];
    const args = [
      ...process.execArgv,
      HEADRACE,
      'start',
      `--cluster=${this.#location}`,
      `--node-id=${id}`,
      `--port=${this.#portOf(id)}`,
      `--data=${join(data, `broker-${id}`)}`,
      ...settings.map((one) => `--set=${one}`),
    ];
    const { child, ready } = launch([process.execPath, ...args], {
      log: this.#logOf(`broker-${id}`),
      sign: 'headrace ready',
    });
    this.#brokers.set(id, child);
    const pidFile = this.#pidFileOf(id);
    if (pidFile !== undefined) writeFileSync(pidFile, `${child.pid}\n`);
    child.on('exit', (code, signal) => this.#onExit(id, signal ?? `code ${code}`));
    if (!(await ready)) throw new Error(`broker ${id} did not start: see ${this.#logOf(`broker-${id}`)}`);
  }

  #onExit(id: number, how: string): void {
    this.#brokers.delete(id);
    const pidFile = this.#pidFileOf(id);
    if (pidFile !== undefined) rmSync(pidFile, { force: true });
    if (this.#isStopping) return;
    say(`broker ${id} has ended (${how})`);
    if (this.#flags.restart === true) void this.#restart(id);
  }

  async #restart(id: number): Promise<void> {
    await delay(RESTART_DELAY_MS);
    if (this.#isStopping) return;
    try {
      await this.#startBroker(id);
      say(`broker ${id} is back`);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  }

  #portOf(id: number): number {
    return this.#flags.port + id - 1;
  }

  #logOf(name: string): string {
    return join(this.#flags.data, `${name}.log`);
  }

  #pidFileOf(id: number): string | undefined {
    const { pidDir } = this.#flags;
    return pidDir === undefined ? undefined : join(pidDir, `broker-${id}.pid`);
  }
}

/**
 * Becomes the program, under the process id of the shell. What stays behind reads a pipe that nobody writes to: it ends with
 * this process, however that ends, and the program is told to stop.
 */
const WATCHED = 'after=$1; shift; (cat <&3; sleep "$after"; kill -TERM $$) >/dev/null 2>&1 & exec "$@" 3<&-';

interface LaunchOptions {
  /** The file for its output. */
  readonly log: string;
  /** It is ready once this was in its output. */
  readonly sign?: string;
  /** How much longer than this process it may live, when this one is killed. */
  readonly outlivesSeconds?: number;
}

/** Starts a program; `ready` tells whether its sign came before it ended. */
function launch(
  command: readonly string[],
  { log, sign = '', outlivesSeconds = 0 }: LaunchOptions,
): { readonly child: ChildProcess; readonly ready: Promise<boolean> } {
  const child = spawn('sh', ['-c', WATCHED, 'sh', String(outlivesSeconds), ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const file = createWriteStream(log, { flags: 'a' });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let begin = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    file.write(chunk);
    begin = (begin + chunk.toString('utf8')).slice(-1_000);
    if (begin.includes(sign)) resolve(true);
  });
  child.stderr!.pipe(file);
  child.on('error', () => resolve(false));
  child.on('exit', () => {
    resolve(false);
    // What watches over it ends with it, and not when somebody else may have its process id.
    child.stdio[3]?.destroy();
  });
  const limit = setTimeout(() => resolve(false), READY_MS_MAX);
  void promise.then(() => clearTimeout(limit));
  return { child, ready: promise };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await exited;
  clearTimeout(limit);
}

async function healthy(child: ChildProcess, url: string): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX;
  while (performance.now() < endMs && child.exitCode === null && child.signalCode === null) {
    try {
      const answer = await fetch(url);
      if (answer.ok && ((await answer.json()) as { health: string }).health === 'true') return;
    } catch {
      // Not listening yet.
    }
    await delay(50);
  }
  throw new Error('etcd did not start: see its log');
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) server.close();
  return ports;
}

/** The first signal stops cleanly, a later one at once. Some senders signal a process and its group: that is one. */
function stopOnSignal(cluster: DevCluster): void {
  let firstMs: number | undefined;
  const onSignal = (): void => {
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      say('stopping...');
      void cluster.stop().then(() => process.exit(0));
    } else if (nowMs - firstMs > SAME_SIGNAL_MS) {
      cluster.kill();
      process.exit(130);
    }
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
