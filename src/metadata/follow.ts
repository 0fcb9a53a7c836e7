/** Keeps an image up to date from a store: one range, then a watch from there; again whenever the watch is lost. */
import type { Logger, MetadataStore, Timers, Watch } from '../base/ports.ts';
import type { ClusterImage } from './image.ts';

/** Before a lost watch is taken up again; the store may be gone for long, and so many brokers must not hammer it. */
const RETRY_DELAY_MS = 500;

export interface Follower {
  stop(): void;
}

/** Resolves when the image holds everything that was in the store at the start. */
export async function follow(
  store: MetadataStore,
  image: ClusterImage,
  ports: { readonly timers: Timers; readonly logger: Logger },
): Promise<Follower> {
  let watch: Watch | undefined;
  let stopped = false;

  async function begin(): Promise<void> {
    const range = await store.range('');
    if (stopped) return;
    image.reset(range);
    watch = store.watch('', range.revision + 1, {
      onEvents: (revision, events) => image.apply(revision, events),
      onLost: (error) => {
        ports.logger.warn({ error: error.message }, 'the watch on the metadata store was lost');
        retryLater();
      },
    });
  }

  function retryLater(): void {
    if (stopped) return;
    watch?.cancel();
    ports.timers.after(RETRY_DELAY_MS, () => {
      if (stopped) return;
      begin().catch((error: unknown) => {
        ports.logger.warn({ error: String(error) }, 'the metadata store cannot be read');
        retryLater();
      });
    });
  }

  await begin();
  return {
    stop() {
      stopped = true;
      watch?.cancel();
    },
  };
}
