/** Load processes as seen from the question that wants them: started, counted, stopped. */
import { fork, type ChildProcess } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import type { Counters, Job, Order, Report } from './job.ts';

const WORKER = path.join(import.meta.dirname, 'worker.ts');
/** More would only take processors from the broker, which has the same machine. */
const PROCESSES_MAX = 4;

export interface Load {
  /** Of all processes together, now. Throws when one of them failed. */
  counters(): Promise<Counters>;
  /** Asks for nothing more, waits for what is under way; the last counters. The processes are gone then. */
  stop(): Promise<Counters>;
  /** Resolves when every process is through with a job that ends by itself; the counters of that moment. */
  readonly done: Promise<Counters>;
}

/** How many processes share so many clients on this machine. */
export function processesFor(clients: number): number {
  return Math.max(1, Math.min(clients, PROCESSES_MAX, os.availableParallelism() >> 1));
}

/** Starts one process for each job, and resolves when all are at work. */
export async function startLoad(jobs: readonly Job[]): Promise<Load> {
  const processes = await Promise.all(jobs.map(startProcess));
  const done = Promise.all(processes.map((one) => one.done)).then(together);
  done.catch(() => {});
  return {
    done,
    counters: async () => together(await Promise.all(processes.map((one) => one.ask('count', 'counters')))),
    stop: async () => {
      const last = together(await Promise.all(processes.map((one) => one.ask('stop', 'done'))));
      await Promise.all(processes.map((one) => one.end()));
      return last;
    },
  };
}

/** Shares `clients` among processes: `make` gets the number of clients of each, and its place. */
export function split<T>(clients: number, make: (clients: number, index: number) => T): T[] {
  const processes = processesFor(clients);
  return Array.from({ length: processes }, (_, index) =>
    make(Math.floor((clients + index) / processes), index),
  );
}

interface LoadProcess {
  readonly done: Promise<Counters>;
  ask(order: 'count' | 'stop', report: 'counters' | 'done'): Promise<Counters>;
  end(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

async function startProcess(job: Job): Promise<LoadProcess> {
  const child = fork(WORKER, { execArgv: [] });
  running.add(child);
  const waiting = new Set<{
    report: string;
    resolve(counters: Counters): void;
    reject(error: Error): void;
  }>();
  let failure: Error | undefined;
  const hear = (report: string): Promise<Counters> =>
    new Promise((resolve, reject) => {
      if (failure === undefined) waiting.add({ report, resolve, reject });
      else reject(failure);
    });
  const fail = (reason: string): void => {
    failure ??= new Error(`the load failed: ${reason}`);
    for (const one of waiting) one.reject(failure);
    waiting.clear();
  };
  child.on('message', (message: Report) => {
    if (message.report === 'failed') return fail(message.reason);
    const counters = 'counters' in message ? message.counters : nothing;
    for (const one of waiting) {
      if (one.report !== message.report) continue;
      waiting.delete(one);
      one.resolve(counters);
    }
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code) => {
      running.delete(child);
      fail(`its process ended with ${code}`);
      resolve();
    });
  });
  // One that failed is gone already: its exit answers whoever asks.
  const send = (order: Order): void => {
    if (child.connected) child.send(order, () => {});
  };
  const done = hear('done');
  done.catch(() => {});
  const isRunning = hear('running');
  send({ order: 'run', job });
  await isRunning;
  return {
    done,
    ask: (order, report) => {
      const answer = hear(report);
      send({ order });
      return answer;
    },
    end: async () => {
      child.disconnect();
      await gone;
    },
  };
}

const nothing: Counters = { requests: 0, records: 0, bytes: 0, cpuSeconds: 0, begunMs: 0, atMs: 0 };

function together(all: readonly Counters[]): Counters {
  return all.reduce((sum, one) => ({
    requests: sum.requests + one.requests,
    records: sum.records + one.records,
    bytes: sum.bytes + one.bytes,
    cpuSeconds: sum.cpuSeconds + one.cpuSeconds,
    begunMs: Math.min(sum.begunMs, one.begunMs),
    atMs: Math.max(sum.atMs, one.atMs),
  }));
}
