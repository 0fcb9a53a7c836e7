/** What the cleaner needs of the broker's settings (log.cleaner.*), as they are at each use. */
export interface CleanerSettings {
  readonly enable: boolean;
  readonly backoffMs: number;
  /** Logs that are cleaned at the same time. */
  readonly threads: number;
  /** For the maps of all of them, as are the buffers. */
  readonly dedupeBufferBytes: number;
  readonly ioBufferBytes: number;
  readonly ioBufferLoadFactor: number;
  readonly ioMaxBytesPerSecond: number;
}

/** Kafka's defaults. */
export const DEFAULT_CLEANER_SETTINGS: CleanerSettings = {
  enable: true,
  backoffMs: 15_000,
  threads: 1,
  dedupeBufferBytes: 128 * 1024 ** 2,
  ioBufferBytes: 512 * 1024,
  ioBufferLoadFactor: 0.9,
  ioMaxBytesPerSecond: Number.MAX_VALUE,
};
