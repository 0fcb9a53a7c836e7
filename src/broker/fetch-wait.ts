/** A Fetch request that found too little: it waits until there is enough, something changed, or its time is over. */
import type { LogRead } from '../log/log.ts';
import { Errors } from '../protocol/errors.ts';
import type { Isolation, Partition, PartitionWatcher } from '../replication/partition.ts';
import type { Deadline } from '../replication/deadlines.ts';
import type { RequestContext } from './context.ts';
import type { WaitingFetch } from './delayed-fetch.ts';
import { isStartNews, isWatermarkNews, type FetchLimits, type FetchTarget } from './fetch-read.ts';
import type { Services } from './services.ts';

/** For how long a follower may not know that the watermark has risen. */
const NEWS_WAIT_MS = 10;

export interface FetchWaitOptions {
  readonly targets: readonly FetchTarget[];
  /** How many bytes the first read found for each target; the bytes themselves are not kept. */
  readonly sizes: readonly number[];
  readonly limits: FetchLimits;
  readonly minBytes: number;
  readonly maxWaitMs: number;
  /** The node id of the follower that asks; undefined: a consumer does. */
  readonly follower: number | undefined;
}

/** Resolves with false when the client has gone and no answer is wanted. */
export function waitForData(
  options: FetchWaitOptions,
  context: RequestContext,
  services: Services,
): Promise<boolean> {
  return new Promise((resolve) => new FetchWait(options, context, services, resolve));
}

/** Wakes the whole request for one of its partitions. */
class TargetWatcher implements PartitionWatcher {
  readonly partition: Partition;
  readonly target: FetchTarget;
  bytes: number;
  isWoken = false;
  readonly #fetch: FetchWait;

  constructor(
    { partition, target, bytes }: { partition: Partition; target: FetchTarget; bytes: number },
    isolation: Isolation,
    fetch: FetchWait,
  ) {
    this.partition = partition;
    this.target = target;
    this.bytes = bytes;
    this.#fetch = fetch;
    partition.watch(this, isolation);
  }

  wake(): void {
    this.isWoken = true;
    this.#fetch.wake();
  }
}

class FetchWait implements WaitingFetch {
  readonly #options: FetchWaitOptions;
  readonly #services: Services;
  readonly #watchers: TargetWatcher[] = [];
  #deadline: Deadline;
  #hasNews = false;
  readonly #forgetConnection: () => void;
  readonly #resolve: (isWanted: boolean) => void;
  #isOver = false;

  constructor(
    options: FetchWaitOptions,
    context: RequestContext,
    services: Services,
    resolve: (isWanted: boolean) => void,
  ) {
    this.#options = options;
    this.#services = services;
    this.#resolve = resolve;
    options.targets.forEach((target, index) => {
      const { partition } = target;
      if (partition === undefined) return;
      const bytes = options.sizes[index]!;
      this.#watchers.push(new TargetWatcher({ partition, target, bytes }, options.limits.isolation, this));
    });
    this.#deadline = services.deadlines.after(options.maxWaitMs, () => this.#end(true));
    const { isolation } = options.limits;
    if (options.targets.some((target) => isWatermarkNews(target, isolation))) this.#endSoon();
    this.#forgetConnection = context.onDisconnect(() => this.#end(false));
    if (!services.delayedFetches.add(this)) this.finish();
  }

  get follower(): number | undefined {
    return this.#options.follower;
  }

  finish(): void {
    this.#end(true);
  }

  wake(): void {
    if (!this.#isOver) this.#services.delayedFetches.wakeSoon(this);
  }

  reconsider(): void {
    if (this.#isOver) return;
    let total = 0;
    for (const watcher of this.#watchers) {
      if (watcher.isWoken && this.#isReady(watcher)) return this.#end(true);
      total += watcher.bytes;
    }
    if (total >= this.#options.minBytes) this.#end(true);
  }

  /** Looks at a partition where something happened: true when the answer cannot wait any longer. */
  #isReady(watcher: TargetWatcher): boolean {
    watcher.isWoken = false;
    const { partition, target } = watcher;
    const { limits, minBytes } = this.#options;
    const { fetchOffset, currentLeaderEpoch, maxBytes } = target.wanted;
    if (partition.check(currentLeaderEpoch, limits) !== Errors.NONE) return true;
    if (fetchOffset < partition.logStartOffset || fetchOffset > partition.logEndOffset) return true;
    if (isStartNews(target, limits.isolation)) return true;
    if (isWatermarkNews(target, limits.isolation)) this.#endSoon();
    if (target.isHeldBack === true) return false;
    const end = partition.endOffset(limits.isolation);
    if (end <= fetchOffset) return false;
    if (minBytes <= 1) return true;
    let read: LogRead | Promise<LogRead>;
    try {
      read = partition.log!.read({
        offset: fetchOffset,
        maxBytes,
        upTo: end,
        minOneMessage: true,
        isForSending: true,
      });
    } catch {
      // Nobody here could be told: whoever answers reads again, and says what is wrong.
      return true;
    }
    // What was not appended lately has been there for long enough.
    if (read instanceof Promise) {
      read.then(
        (late) => this.#giveBack(late),
        () => {},
      );
      return true;
    }
    watcher.bytes = read.sizeBytes;
    this.#giveBack(read);
    return false;
  }

  /** Records that come until then take the news along: half as many answers for a steady stream of small appends. */
  #endSoon(): void {
    if (this.#hasNews || this.#options.maxWaitMs <= NEWS_WAIT_MS) return;
    this.#hasNews = true;
    this.#deadline.cancel();
    this.#deadline = this.#services.deadlines.after(NEWS_WAIT_MS, () => this.#end(true));
  }

  #giveBack({ slab, region }: LogRead): void {
    region?.release();
    if (slab !== undefined) this.#services.slabs.give(slab);
  }

  #end(isWanted: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline?.cancel();
    this.#forgetConnection?.();
    this.#services.delayedFetches.forget(this);
    for (const watcher of this.#watchers) watcher.partition.unwatch(watcher);
    this.#resolve(isWanted);
  }
}
