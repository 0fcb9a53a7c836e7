/**
 * A broker's process: spawned with its output in its own folder, ready when its port answers, ended and cleaned up after,
 * also when the benchmark itself fails or is interrupted.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { WireClient } from '../wire-client.ts';

export const HOST = '127.0.0.1';
export const ROOT = path.join(import.meta.dirname, '..', '..');

const READY_MS_MAX = 120_000;
const READY_POLL_MS = 5;
const STOP_MS_MAX = 120_000;

const running = new Set<ChildProcess>();
const folders = new Set<string>();
/** Also after an exception or an interrupt, nothing stays behind. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** Where benchmarks keep their data: HEADRACE_BENCH_DIR, or the system's temporary folder. */
export function benchFolder(): string {
  return process.env['HEADRACE_BENCH_DIR'] ?? tmpdir();
}

/** A folder that is gone when the benchmark is. */
export function newFolder(name: string): string {
  return keptFolder(mkdtempSync(path.join(benchFolder(), `headrace-bench-${name}-`)));
}

/** The same for a folder that is there. */
export function keptFolder(folder: string): string {
  folders.add(folder);
  return folder;
}

export function discardFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

export interface Launched {
  readonly pid: number;
  /** From spawning the process until it answered its first request. */
  readonly readyMs: number;
  isRunning(): boolean;
  /** Sends the signal, if it still runs, and waits for the end. Milliseconds that it took. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number>;
}

/**
 * Starts a program and waits until it serves: by default until the port answers an ApiVersions request, tried every 5 ms.
 * Its output goes to `stdout` and `stderr` in `dataDir`, or to those names after `outputPrefix`.
 * Errors: what it printed when it ends early.
 */
export async function launch(
  [program, ...args]: readonly string[],
  about: {
    readonly name: string;
    readonly dataDir: string;
    readonly port: number;
    readonly outputPrefix?: string;
    /** Rejects while it does not serve yet. */
    readonly probe?: (port: number) => Promise<void>;
  },
): Promise<Launched> {
  const { name, dataDir, port, outputPrefix = '', probe = askVersions } = about;
  const errorsPath = path.join(dataDir, `${outputPrefix}stderr`);
  const output = openSync(path.join(dataDir, `${outputPrefix}stdout`), 'a');
  const errors = openSync(errorsPath, 'a');
  const startedAt = performance.now();
  const stdio: ['ignore', number, number] = ['ignore', output, errors];
  const child = spawn(program!, args, { stdio, cwd: ROOT, env: environment() });
  closeSync(output);
  closeSync(errors);
  running.add(child);
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  }).then(() => running.delete(child));
  const check = (): void => {
    if (running.has(child)) return;
    throw new Error(`${name} ended early:\n${readFileSync(errorsPath, 'utf8').slice(-3000)}`);
  };
  await answers(() => probe(port), check);
  return {
    pid: child.pid!,
    readyMs: performance.now() - startedAt,
    isRunning: () => running.has(child),
    end: async (signal) => {
      if (!running.has(child)) return 0;
      const before = performance.now();
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
      await gone;
      clearTimeout(late);
      const tookMs = performance.now() - before;
      if (tookMs >= STOP_MS_MAX) throw new Error(`${name} did not end within ${STOP_MS_MAX} ms of ${signal}`);
      return tookMs;
    },
  };
}

/** A broker would take our own variables, which begin as its settings do, for settings. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADRACE_')));
}

async function answers(probe: () => Promise<void>, check: () => void): Promise<void> {
  for (const until = performance.now() + READY_MS_MAX; performance.now() < until;) {
    check();
    try {
      await probe();
      return;
    } catch {
      await delay(READY_POLL_MS);
    }
  }
  throw new Error(`no answer within ${READY_MS_MAX} ms`);
}

async function askVersions(port: number): Promise<void> {
  const client = await WireClient.connect(HOST, port);
  const body = { clientSoftwareName: 'headrace-bench', clientSoftwareVersion: '1' };
  await client.call(ApiVersionsRequest, ApiVersionsResponse, { version: 3, body });
  client.close();
}

/** That nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
