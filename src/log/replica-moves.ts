/** Logs on their way to another directory (AlterReplicaLogDirs): copied beside the original, then put in its place. */
import { Throttle } from './cleaner/throttle.ts';
import type { LogEnvironment } from './environment.ts';
import * as names from './file-names.ts';
import { removeFolder, removeLater, uniqueMark } from './folder-removal.ts';
import type { LogDirectory } from './log-directory.ts';
import type { Log } from './log.ts';
import { makeLog } from './new-log.ts';
import { ReplicaMove } from './replica-move.ts';

export interface ReplicaMovesOptions {
  /** Of all moves together, as it is now. */
  readonly bytesPerSecond: () => number;
  readonly directoryOf: (log: Log) => LogDirectory;
  /** Called with a partition's name when its log begins to move: nobody may rewrite it from then on. */
  readonly onBegun: (name: string) => void;
  /** Called when a log has gone over. */
  readonly onMoved: (log: Log) => void;
}

interface Move {
  readonly move: ReplicaMove;
  readonly log: Log;
  readonly future: Log;
  readonly target: LogDirectory;
}

export class ReplicaMoves {
  readonly #environment: LogEnvironment;
  readonly #options: ReplicaMovesOptions;
  readonly #throttle: Throttle;
  /** By partition name. */
  readonly #moves = new Map<string, Move>();

  constructor(environment: LogEnvironment, options: ReplicaMovesOptions) {
    this.#environment = environment;
    this.#options = options;
    this.#throttle = new Throttle(environment, options.bytesPerSecond);
  }

  has(name: string): boolean {
    return this.#moves.has(name);
  }

  /** Instead of any other move of the log. When the copy has caught up the log goes on there, the same object. */
  begin(log: Log, target: LogDirectory): void {
    const { topic, partition, topicId, logStartOffset: startOffset } = log;
    const name = names.partitionName(topic, partition);
    this.cancel(name);
    const mark = uniqueMark(this.#environment.random);
    const folder = target.pathOf(names.markedFolderName({ topic, partition }, mark, 'future'));
    const settings = { ...log.settings, durability: 'fsync' as const };
    const future = makeLog(this.#environment, target, {
      folder,
      topic,
      partition,
      topicId,
      settings,
      startOffset,
    });
    target.futures.set(name, future);
    const { clock, logger } = this.#environment;
    const pace = (bytes: number, isOver: () => boolean) => this.#throttle.take(bytes, isOver);
    const onCaughtUp = (): void => this.#swap(name);
    const move = new ReplicaMove({ log, future, clock, pace, onCaughtUp });
    this.#moves.set(name, { move, log, future, target });
    this.#options.onBegun(name);
    move.run().catch((error: unknown) => {
      logger.error({ log: log.folder, directory: target.path, error }, 'a replica could not be moved');
      if (this.#moves.get(name)?.move === move) this.cancel(name);
    });
  }

  /** The copy goes, if there is one. */
  cancel(name: string): void {
    const current = this.#moves.get(name);
    if (current === undefined) return;
    const { move, future, target } = current;
    this.#moves.delete(name);
    move.cancel();
    target.futures.delete(name);
    future.markRemoved();
    if (target.failure === undefined)
      removeLater(this.#environment, target, { path: future.folder, delayMs: 0 });
  }

  /** Copies stay as they are; the next start removes them. */
  stop(): void {
    for (const { move } of this.#moves.values()) move.cancel();
  }

  /** The copy is complete and durable. First it gets the name, then the original loses it. */
  #swap(name: string): void {
    const { log, future, target } = this.#moves.get(name)!;
    const { disk } = this.#environment;
    const source = this.#options.directoryOf(log);
    const before = log.folder;
    target.forget(name);
    target.expectCleaned(log);
    const folder = target.pathOf(name);
    disk.rename(future.folder, folder);
    disk.syncDirectory(target.path);
    future.folderMoved(folder);
    log.takeOver(future);
    this.#moves.delete(name);
    target.futures.delete(name);
    target.logs.set(name, log);
    source.logs.delete(name);
    if (source.failure === undefined)
      removeFolder(this.#environment, source, {
        name,
        folder: before,
        delayMs: log.settings.fileDeleteDelayMs,
      });
    this.#options.onMoved(log);
  }
}
