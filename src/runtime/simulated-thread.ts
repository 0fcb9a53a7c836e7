/**
 * A thread that is none: what would run in it runs on the same loop, in turns of its own, and messages are copied as they
 * are between real ones. It can die at any moment; from then on nothing goes to it or comes from it.
 */
import type { Thread, ThreadPort, Timers } from '../base/ports.ts';

export interface SimulatedThread extends Thread {
  readonly isOver: boolean;
  /** Ends it as a fault of its own would. */
  die(error?: Error): void;
}

/** `run` begins at once. What it does after the end of the thread is its own matter: `isOver` tells. */
export function simulatedThread(
  timers: Timers,
  run: (port: ThreadPort, isOver: () => boolean) => void,
): SimulatedThread {
  let isOver = false;
  const deliver = (message: object, to: () => (message: unknown) => void): void => {
    const copy: unknown = structuredClone(message);
    timers.soon(() => {
      if (!isOver) to()(copy);
    });
  };
  const inside: ThreadPort = {
    post: (message) => deliver(message, () => outside.onMessage),
    onMessage: () => {},
  };
  const outside: SimulatedThread = {
    post: (message) => deliver(message, () => inside.onMessage),
    onMessage: () => {},
    onExit: () => {},
    terminate: () => {
      isOver = true;
    },
    get isOver() {
      return isOver;
    },
    die(error) {
      if (isOver) return;
      isOver = true;
      timers.soon(() => outside.onExit(error));
    },
  };
  run(inside, () => isOver);
  return outside;
}
