// Where foreign clients ("peers") live once installed: the cache of bin/built-programs.ts.
import { built, run } from '../bin/built-programs.ts';

export { cacheFolder, run } from '../bin/built-programs.ts';

/** Thrown when a peer cannot be had on this machine; the message says why. */
export class PeerMissing extends Error {
  readonly peer: string;

  constructor(peer: string, cause: unknown) {
    super(`peer ${peer} cannot be installed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.peer = peer;
  }
}

/** Thrown when our own program does not compile: a fault to mend, never a reason to skip. */
export class BuildFault extends Error {}

/** As `built`. Errors: PeerMissing, and BuildFault when `build` throws it. */
export async function cached(
  peer: string,
  inputs: string[],
  build: (folder: string) => Promise<void>,
): Promise<string> {
  try {
    return await built(peer, inputs, build);
  } catch (error) {
    throw error instanceof BuildFault ? error : new PeerMissing(peer, error);
  }
}

/** As run, for a compiler at work on our own sources. Errors: BuildFault. */
export async function compile(...command: Parameters<typeof run>): Promise<void> {
  try {
    await run(...command);
  } catch (error) {
    throw new BuildFault(error instanceof Error ? error.message : String(error));
  }
}
