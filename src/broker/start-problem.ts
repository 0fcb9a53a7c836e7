/** What stops a start for reasons outside the program, in words: which setting it comes from, and what to do. */
import { DiskError } from '../base/ports.ts';
import { LogDirectoryError } from '../log/log-directory.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { MetadataStoreError } from '../metadata/store-error.ts';

/** A configuration that a broker cannot start with; each problem names the setting and what to write instead. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: { cause?: unknown }) {
    super(problems.join('\n'), options);
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use; stop the program that listens there, or choose another port (--port, listeners)',
  EACCES: 'may not be listened on by this user; choose a port above 1023 (--port, listeners)',
  EADDRNOTAVAIL: 'is not an address of this machine; choose one that is (listeners)',
};

const STORE_PROBLEMS: ReadonlySet<string> = new Set(['unavailable', 'indeterminate', 'refused']);

/** Undefined: nothing that a user can mend by a setting. */
export function startProblem(error: unknown): string | undefined {
  if (error instanceof DiskError) {
    const advice = 'choose a folder that this user may write to (--data, log.dirs)';
    return `log.dirs: ${error.path} cannot be used (${error.code}); ${advice}`;
  }
  if (error instanceof LogDirectoryError) return `log.dirs: ${error.message}; ${OTHER_FOLDER}`;
  if (error instanceof MetadataStoreError && error.code === 'inUse') {
    return `log.dirs: ${error.message}; ${OTHER_FOLDER}`;
  }
  if (error instanceof KafkaError && error.code === Errors.DUPLICATE_BROKER_REGISTRATION) {
    return 'node.id: another broker of the cluster is alive under this number; choose another (--node-id, node.id)';
  }
  if (error instanceof MetadataStoreError && STORE_PROBLEMS.has(error.code)) {
    return `metadata.store.connect: ${error.message}`;
  }
  if (!(error instanceof Error)) return undefined;
  const { code, address, port } = error as Error & { code?: string; address?: string; port?: number };
  const advice = code === undefined ? undefined : ADVICE[code];
  if (advice === undefined || address === undefined) return undefined;
  return `listeners: ${address}:${port} ${advice}`;
}

const OTHER_FOLDER = 'stop the broker that has it, or choose another folder (--data, log.dirs)';
