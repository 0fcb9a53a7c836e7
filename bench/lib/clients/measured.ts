/**
 * A measurement of a JavaScript client in a process of its own: so many messages, in one way, timed after a warm-up. The parent
 * starts one process for each client and turn, so that none inherits another's heap or compiled code.
 */
import { spawn } from 'node:child_process';
import { PerformanceObserver } from 'node:perf_hooks';

export interface Figures {
  readonly messages: number;
  readonly seconds: number;
  /** Of this process, all threads: microseconds a message. */
  readonly cpuUs: number;
  readonly gcMs: number;
  readonly rssMiB: number;
}

/** Measures `run`, which handles so many messages. */
export async function measured(messages: number, run: () => Promise<void>): Promise<Figures> {
  let gcMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) gcMs += entry.duration;
  });
  observer.observe({ entryTypes: ['gc'] });
  const begunMs = performance.now();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - begunMs) / 1000;
  await new Promise((resolve) => setTimeout(resolve, 20));
  observer.disconnect();
  const rssMiB = process.memoryUsage().rss / 2 ** 20;
  return { messages, seconds, cpuUs: (user + system) / messages, gcMs, rssMiB };
}

/** Runs `file` with these arguments and yields the figures that it prints as its last line. */
export async function inProcess(file: string, args: readonly string[]): Promise<Figures> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += String(chunk);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${String(code)}`);
  return JSON.parse(output.trim().split('\n').at(-1)!) as Figures;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** One line for a client: rate, processor time, collection, memory; medians. */
export function line(name: string, all: readonly Figures[]): string {
  const of = (pick: (one: Figures) => number): number => median(all.map(pick));
  const rate = of((one) => one.messages / one.seconds);
  const gcPart = of((one) => (one.gcMs / (one.seconds * 1000)) * 100);
  return [
    name.padEnd(24),
    `${Math.round(rate).toLocaleString('en').padStart(12)} msg/s`,
    `${of((one) => one.cpuUs)
      .toFixed(2)
      .padStart(8)} µs CPU/msg`,
    `${gcPart.toFixed(1).padStart(6)} % GC`,
    `${of((one) => one.rssMiB)
      .toFixed(0)
      .padStart(6)} MiB`,
  ].join('');
}
