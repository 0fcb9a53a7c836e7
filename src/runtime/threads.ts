/** Threads of the process, on node:worker_threads: the one that starts them and the one that runs. */
import { parentPort, Worker } from 'node:worker_threads';
import type { Thread, ThreadPort } from '../base/ports.ts';

/** Runs the module in a thread of its own. It does not keep the process alive. */
export function startThread(module: URL): Thread {
  const worker = new Worker(module);
  const thread: Thread = {
    post: (message) => worker.postMessage(message),
    onMessage: () => {},
    onExit: () => {},
    terminate: () => {
      thread.onExit = () => {};
      void worker.terminate();
    },
  };
  let failure: Error | undefined;
  worker.on('message', (message: unknown) => thread.onMessage(message));
  worker.on('error', (error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error));
  });
  worker.on('exit', () => thread.onExit(failure));
  worker.unref();
  return thread;
}

/** Within a thread: the way to the one that started it. */
export function ownThreadPort(): ThreadPort {
  const parent = parentPort!;
  const port: ThreadPort = { post: (message) => parent.postMessage(message), onMessage: () => {} };
  parent.on('message', (message: unknown) => port.onMessage(message));
  return port;
}
