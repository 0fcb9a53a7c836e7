/** The logger that says nothing, in a file of its own: whoever wants no more of logging loads no more of it. */
import type { Logger } from '../base/ports.ts';

/** For tests and for programs that embed the broker and did not ask for logs. */
export function silentLogger(): Logger {
  const nothing = (): void => {};
  const logger: Logger = {
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: nothing,
    child: () => logger,
  };
  return logger;
}
