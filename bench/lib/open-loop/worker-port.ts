/** The load process's end of the channel to the process that asks. */
import type { FromWorker, Samples, ToWorker } from './messages.ts';

const FLUSH_MS = 1_000;

export function send(message: FromWorker): void {
  process.send!(message);
}

/** Any fault ends the run for the asking process too: load that is not what was asked for is no result. */
export function fail(reason: unknown): void {
  send({
    kind: 'failed',
    message: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
  });
}

/** Serves one run after the other, until the channel is closed. `prepare` answers what begins the run. */
export function serveRuns<Run>(prepare: (run: Run) => Promise<(startMicros: number) => void>): void {
  let begin: ((startMicros: number) => void) | undefined;
  process.on('message', (message: ToWorker<Run>) => {
    if (message.kind === 'start') {
      begin!(message.startMicros);
      return;
    }
    prepare(message.run).then((ready) => {
      begin = ready;
      send({ kind: 'ready' });
    }, fail);
  });
  process.on('uncaughtException', fail);
  process.on('disconnect', () => process.exit(0));
}

/** Collects samples and hands them over once a second, so that none of them is held for long. */
export class SampleBuffer {
  #latencyMs: number[] = [];
  #latenessMs: number[] = [];
  #requests = 0;
  #batchBytes = 0;
  readonly #timer = setInterval(() => this.flush(), FLUSH_MS);

  latency(ms: number): void {
    this.#latencyMs.push(ms);
  }
  lateness(ms: number): void {
    this.#latenessMs.push(ms);
  }
  completed(batchBytes: number): void {
    this.#requests++;
    this.#batchBytes += batchBytes;
  }

  flush(): void {
    const samples: Samples = {
      latencyMs: Float64Array.from(this.#latencyMs),
      latenessMs: Float64Array.from(this.#latenessMs),
      requests: this.#requests,
      batchBytes: this.#batchBytes,
    };
    this.#latencyMs = [];
    this.#latenessMs = [];
    this.#requests = 0;
    this.#batchBytes = 0;
    send({ kind: 'samples', ...samples });
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }
}

/** Processor seconds of this process, all threads. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
