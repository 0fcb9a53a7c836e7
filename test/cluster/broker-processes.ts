// A cluster of broker processes around an etcd of its own, on free ports of the loopback interface: brokers can be added, and
// stopped for good, and `headrace cluster` commands be run against it.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, startEtcd, type Etcd } from '../../scripts/peer-etcd.ts';

const HEADRACE = join(import.meta.dirname, '..', '..', 'bin', 'headrace.ts');
/** HEADRACE_... would be taken for settings. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('HEADRACE_')),
);
const LOG_CHARACTERS_KEPT = 20_000;

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  log: string;
}

/** A command that runs, or has run. */
export interface Command {
  /** What it has written so far, standard error included. */
  output(): string;
  signal(name: 'SIGINT'): void;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
}

export class BrokerProcesses {
  readonly #folder = mkdtempSync(join(tmpdir(), 'headrace-cluster-'));
  readonly #settings: readonly string[];
  readonly #brokers = new Map<number, Running>();
  readonly #etcd: Etcd;

  private constructor(etcd: Etcd, settings: readonly string[]) {
    this.#etcd = etcd;
    this.#settings = settings;
  }

  /** `settings`: `name=value`, of all brokers. */
  static async start(program: string, settings: readonly string[]): Promise<BrokerProcesses> {
    return new BrokerProcesses(await startEtcd(program), settings);
  }

  get bootstrap(): string {
    return [...this.#brokers.values()].map(({ port }) => `127.0.0.1:${port}`).join();
  }

  /** Of a broker that runs. */
  pidOf(id: number): number {
    return this.#brokers.get(id)!.child.pid!;
  }

  async add(id: number): Promise<void> {
    const [port] = await freePorts(1);
    const args = [
      ...process.execArgv.filter((one) => !one.startsWith('--test')),
      HEADRACE,
      'start',
      `--cluster=etcd://127.0.0.1:${this.#etcd.port}`,
      `--node-id=${id}`,
      `--port=${port!}`,
      `--data=${join(this.#folder, `broker-${id}`)}`,
      ...this.#settings.map((one) => `--set=${one}`),
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: ENVIRONMENT });
    const running: Running = { child, port: port!, log: '' };
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const take = (text: string): void => {
      running.log = (running.log + text).slice(-LOG_CHARACTERS_KEPT);
      if (running.log.includes('headrace ready')) resolve(true);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('exit', () => resolve(false));
    this.#brokers.set(id, running);
    assert.ok(await promise, `broker ${id} does not start:\n${running.log}`);
  }

  /** As a machine that is taken away: what it leads is handed over first. */
  async remove(id: number): Promise<void> {
    const { child } = this.#brokers.get(id)!;
    this.#brokers.delete(id);
    await end(child, 'SIGTERM');
  }

  /** `headrace cluster` with these arguments, asked at all brokers. */
  command(...args: readonly string[]): Command {
    const all = [HEADRACE, 'cluster', ...args, `--bootstrap-server=${this.bootstrap}`];
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'], env: ENVIRONMENT });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = once(child, 'close').then(([code]) => code as number | null);
    return { output: () => output, signal: (name) => void child.kill(name), ended };
  }

  /** The last words of all brokers, for a test that fails. */
  logs(): string {
    return [...this.#brokers].map(([id, { log }]) => `--- broker ${id}\n${log.slice(-2_000)}`).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#brokers.values()].map(({ child }) => end(child, 'SIGTERM')));
    await this.#etcd.discard();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
