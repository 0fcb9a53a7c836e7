/** What a command has of the world, and how it says that something is wrong. */
import type { Clock, Timers } from '../base/ports.ts';
import type { Admin, Consumer, ConsumerOptions, Producer, ProducerOptions } from '../client/client.ts';

/** Results go to `write`, and can be piped; `note` and `showProgress` are for whoever sits in front of it. */
export interface Terminal {
  /** Resolves when there is room for more. */
  write(data: string | Uint8Array): Promise<void> | undefined;
  note(text: string): void;
  /** A line that the next one replaces. Not shown where nobody looks. */
  showProgress(line: string): void;
}

/** A connection to one cluster, and the terminal. The parts of the client are loaded when they are asked for. */
export interface CommandWorld {
  admin(): Promise<Admin>;
  producer(options?: ProducerOptions): Promise<Producer>;
  consumer(options: ConsumerOptions): Promise<Consumer>;
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Aborted by Ctrl-C, and when nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** One JSON document in place of tables. */
  readonly json: boolean;
}

/** The command line makes no sense: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** It cannot be done; the text says what to do next. Exit code 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** A document for scripts, or a text for people. */
export function print(
  { json, terminal }: Pick<CommandWorld, 'json' | 'terminal'>,
  { data, text }: { readonly data: unknown; readonly text: () => string },
): void {
  void terminal.write(json ? `${JSON.stringify(data)}\n` : text());
}

/** `3 topics`, `1 topic`. */
export function counted(count: number, thing: string): string {
  const plural = thing.endsWith('y') ? `${thing.slice(0, -1)}ies` : `${thing}s`;
  return `${count} ${count === 1 ? thing : plural}`;
}
