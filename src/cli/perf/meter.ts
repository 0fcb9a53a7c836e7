/** How far a measurement is, and how fast it goes: a bar while it runs, figures at its end. */
import type { CommandWorld } from '../command.ts';
import { bytes } from '../table.ts';

const BAR_CHARACTERS = 24;
const SHOW_MS = 200;

export class Meter {
  records = 0;
  sizeBytes = 0;
  readonly #world: CommandWorld;
  /** What there is to do; Infinity where nobody knows. */
  readonly #total: number;
  #beganMs: number;
  #shownMs = -Infinity;
  #endedMs: number | undefined;

  constructor(total: number, world: CommandWorld) {
    this.#total = total;
    this.#world = world;
    this.#beganMs = world.clock.monotonicMs();
  }

  /** What came before does not count: connecting, joining. */
  begin(): void {
    this.#beganMs = this.#world.clock.monotonicMs();
  }

  add(records: number, sizeBytes: number): void {
    this.records += records;
    this.sizeBytes += sizeBytes;
    const nowMs = this.#world.clock.monotonicMs();
    if (nowMs - this.#shownMs < SHOW_MS) return;
    this.#shownMs = nowMs;
    this.#world.terminal.showProgress(`${this.#bar()}${this.rateText()}`);
  }

  end(): void {
    this.#endedMs ??= this.#world.clock.monotonicMs();
  }

  get seconds(): number {
    return Math.max(1e-6, ((this.#endedMs ?? this.#world.clock.monotonicMs()) - this.#beganMs) / 1000);
  }

  rateText(): string {
    const { seconds } = this;
    return `${Math.round(this.records / seconds)} records/s, ${bytes(this.sizeBytes / seconds)}/s`;
  }

  rates(): {
    records: number;
    bytes: number;
    seconds: number;
    recordsPerSecond: number;
    bytesPerSecond: number;
  } {
    const { records, sizeBytes, seconds } = this;
    return {
      records,
      bytes: sizeBytes,
      seconds: Number(seconds.toFixed(3)),
      recordsPerSecond: Math.round(records / seconds),
      bytesPerSecond: Math.round(sizeBytes / seconds),
    };
  }

  #bar(): string {
    if (!Number.isFinite(this.#total)) return '';
    const part = Math.min(1, this.records / this.#total);
    const full = Math.round(part * BAR_CHARACTERS);
    return `[${'#'.repeat(full)}${'-'.repeat(BAR_CHARACTERS - full)}] ${Math.floor(part * 100)} %  `;
  }
}
