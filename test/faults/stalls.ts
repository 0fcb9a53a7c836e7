/** How long this process was kept from running: a machine with too much to do, which is no fault of the cluster's. */
const TICK_MS = 100;
/** Less than this late is as it should be. */
const LATE_MS_MIN = 400;

export class Stalls {
  totalMs = 0;
  #lastMs = performance.now();

  constructor() {
    setInterval(() => {
      const nowMs = performance.now();
      const lateMs = nowMs - this.#lastMs - TICK_MS;
      this.#lastMs = nowMs;
      if (lateMs > LATE_MS_MIN) this.totalMs += lateMs;
    }, TICK_MS).unref();
  }
}
