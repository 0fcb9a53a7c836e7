/** Processes on our own hosts: started there, ended by their id, and gone when this process ends, however it does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { nowUs } from './acknowledgements.ts';
import { enter, type Host } from './network.ts';

const STOP_MS_MAX = 40_000;
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Launch {
  readonly host: Host;
  readonly command: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where its output goes. */
  readonly log: string;
  /** What a line of its output holds once it is ready. */
  readonly sign?: string;
}

/** One process after the other at the same place. */
export class Service {
  readonly launch: Launch;
  #child: ChildProcess | undefined;
  #isPaused = false;
  #readyAtUs: number | undefined;

  constructor(launch: Launch) {
    this.launch = launch;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** When its sign was seen, by `nowUs`; undefined while it does not run, or is not ready. */
  get readyAtUs(): number | undefined {
    return this.isRunning ? this.#readyAtUs : undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get pid(): number | undefined {
    return this.isRunning ? this.#child!.pid : undefined;
  }

  /** Its exit, if it has ended by itself since it was started. */
  get ended(): string | undefined {
    const child = this.#child;
    if (child === undefined || this.isRunning) return undefined;
    return child.signalCode ?? `code ${child.exitCode}`;
  }

  /** Resolves to true when its sign was seen, to false when it ended before. */
  start(): Promise<boolean> {
    const { host, command, env, log, sign = '' } = this.launch;
    const child = spawn('nsenter', [...enter(host), ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env === undefined ? {} : { env }),
      detached: true,
    });
    this.#child = child;
    this.#isPaused = false;
    this.#readyAtUs = undefined;
    running.add(child);
    const file = createWriteStream(log, { flags: 'a' });
    file.write(`--- started at ${new Date().toISOString()}, process ${child.pid}\n`);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let begin = '';
    child.stdout.on('data', (chunk: Buffer) => {
      file.write(chunk);
      begin = (begin + chunk.toString('utf8')).slice(-1_000);
      if (!begin.includes(sign)) return;
      if (this.#child === child) this.#readyAtUs ??= nowUs();
      resolve(true);
    });
    child.stderr.pipe(file, { end: false });
    child.on('error', () => resolve(false));
    child.on('exit', (code, signal) => {
      running.delete(child);
      file.write(`--- ended: ${signal ?? `code ${code}`}\n`);
      resolve(false);
    });
    return promise;
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and waits for the end, which comes by force when it takes too long; then false. */
  async stop(): Promise<boolean> {
    return this.#end('SIGTERM');
  }

  pause(): void {
    this.#isPaused = true;
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#isPaused = false;
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<boolean> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return true;
    const exited = once(child, 'exit');
    child.kill(signal);
    if (this.#isPaused) child.kill('SIGCONT');
    this.#isPaused = false;
    let inTime = true;
    const limit = setTimeout(() => {
      inTime = false;
      child.kill('SIGKILL');
    }, STOP_MS_MAX);
    await exited;
    clearTimeout(limit);
    return inTime;
  }
}

/** Our variables would be taken for a broker's settings. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('HEADRACE_') && name !== 'NODE_OPTIONS',
  );
  return { ...Object.fromEntries(own), ...more };
}
