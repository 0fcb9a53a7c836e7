/** Errors that nobody caught while a world ran: a dead broker's are to be expected, a living one's are anomalies. */
import type { History } from './history.ts';

/** Where it may have happened: the machine of the broker, or several. */
export interface Failing {
  readonly stage: { readonly history: History };
  /** What is thrown now may come from a process that is dead. */
  readonly isDown: boolean;
  readonly ports: { kill(): void };
}

/** Runs the world; what is thrown out of a callback of the broker's would have ended a real process, and ends it too. */
export async function noteUncaught(host: Failing, run: () => Promise<void>): Promise<void> {
  const { history } = host.stage;
  const onRejection = (error: unknown): void => {
    // A dead process's promises may reject with nobody there to hear it.
    if (error instanceof Error && error.name === 'SimulatedCrash') return;
    if (host.isDown) return;
    history.anomaly('unhandled rejection', String((error as Error)?.stack ?? error));
  };
  // The test runner's own listener would fail the test for what a dead process leaves behind.
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onRejection);
  try {
    await run();
  } catch (error) {
    // What an actor throws is caught where it began.
    history.anomaly('uncaught', String((error as Error)?.stack ?? error));
    host.ports.kill();
  } finally {
    process.off('unhandledRejection', onRejection);
    for (const listener of listeners) process.on('unhandledRejection', listener);
  }
}
