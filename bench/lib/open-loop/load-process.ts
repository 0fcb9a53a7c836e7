/** A load process as the asking process sees it: forked once, then one run after the other, so that it is warm for both sides. */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { FromWorker, Samples, Summary, ToWorker } from './messages.ts';

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export class LoadProcess<Run> {
  onSamples: (samples: Samples) => void = () => {};
  readonly #child: ChildProcess;
  #ready: (() => void) | undefined;
  #done: ((summary: Summary) => void) | undefined;
  #failed: (error: Error) => void = () => {};
  #fault: Error | undefined;

  constructor(file: string) {
    this.#child = fork(path.join(import.meta.dirname, file), { serialization: 'advanced' });
    live.add(this.#child);
    this.#child.on('message', (message: FromWorker) => this.#take(message));
    this.#child.on('exit', (code, signal) => {
      live.delete(this.#child);
      this.#fail(new Error(`${file} ended with ${code ?? signal}`));
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Connects, and makes everything that can be made before the start. */
  prepare(run: Run): Promise<void> {
    return this.#ask({ kind: 'prepare', run }, (resolve) => (this.#ready = resolve as () => void));
  }

  /** Begins what was prepared; resolves at its end. Errors: whatever the load met that it did not expect. */
  start(startMicros: number): Promise<Summary> {
    return this.#ask({ kind: 'start', startMicros }, (resolve) => (this.#done = resolve));
  }

  close(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** For load that hangs. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #ask<T>(message: ToWorker<Run>, wait: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#fault !== undefined) return reject(this.#fault);
      this.#failed = reject;
      wait(resolve);
      this.#child.send(message);
    });
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#failed(this.#fault);
  }

  #take(message: FromWorker): void {
    if (message.kind === 'ready') this.#ready?.();
    else if (message.kind === 'samples') this.onSamples(message);
    else if (message.kind === 'done') this.#done?.(message);
    else this.#fail(new Error(message.message));
  }
}
