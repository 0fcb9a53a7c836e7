/**
 * What a member of a share group has fetched and not handed out, in the order in which it came. Its locks run meanwhile: what
 * came too late to be handed out is dropped, and where brokers can renew locks it is told what is to be renewed, as long as
 * the user goes on taking some.
 */
import type { AcquiredPart } from './acquired-part.ts';
import type { ShareRecord } from './share-record.ts';
import { keyOf, type SharePartition } from './share-session.ts';

export interface HeldPartsOptions {
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** There is room, or other parts have their turn. */
  readonly onChange: () => void;
  /** How long the locks of a broker last, in ms; undefined: they cannot be renewed, or it is not known. */
  readonly renewableMs: (nodeId: number) => number | undefined;
}

/** A lock is renewed when less than this part of its time is left. */
const RENEW_PART = 2;

export class HeldParts {
  readonly #options: HeldPartsOptions;
  /** The first is next. */
  #parts: AcquiredPart[] = [];
  #sizeBytes = 0;
  #lastTakenMs: number;

  constructor(options: HeldPartsOptions) {
    this.#options = options;
    this.#lastTakenMs = options.nowMs();
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** A record is there, of the batch that was opened last. */
  get isOpened(): boolean {
    return this.#parts[0]?.isOpened === true;
  }

  /** Something of this broker waits, besides what the user is taking records from. */
  hasWaiting(nodeId: number): boolean {
    return this.#parts.some((part) => part.nodeId === nodeId && !part.isStarted);
  }

  add(part: AcquiredPart): void {
    this.#parts.push(part);
    this.#sizeBytes += part.sizeBytes;
  }

  /** The next record; undefined: none is here. Throws KafkaError for a batch that cannot be read, once. */
  take(): ShareRecord | undefined {
    const nowMs = this.#options.nowMs();
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      const { isStarted } = part;
      const record = part.isLost || part.lockedUntilMs <= nowMs ? undefined : part.next();
      if (record !== undefined) {
        this.#lastTakenMs = nowMs;
        if (!isStarted) this.#options.onChange();
        return record;
      }
      this.#drop(part);
    }
    return undefined;
  }

  /** Another broker leads the partition now, and knows nothing of what was acquired. */
  lose(at: SharePartition): void {
    const key = keyOf(at);
    for (const part of this.#parts.filter((one) => keyOf(one.at) === key)) {
      part.lose();
      this.#drop(part);
    }
  }

  clear(): void {
    for (const part of this.#parts) this.#drop(part);
  }

  /** Those whose locks are to be renewed now. */
  dueForRenewal(): AcquiredPart[] {
    const nowMs = this.#options.nowMs();
    return this.#parts.filter((part) => this.#renewalMs(part) <= nowMs);
  }

  /** When that is to be asked again (monotonic ms); Infinity: not before something happens. */
  get renewAtMs(): number {
    return Math.min(Infinity, ...this.#parts.map((part) => this.#renewalMs(part)));
  }

  #renewalMs(part: AcquiredPart): number {
    if (part.renewal !== 'none' || part.isLost) return Infinity;
    const lockMs = this.#options.renewableMs(part.nodeId);
    if (lockMs === undefined || this.#options.nowMs() - this.#lastTakenMs >= lockMs) return Infinity;
    return part.lockedUntilMs - lockMs / RENEW_PART;
  }

  #drop(part: AcquiredPart): void {
    this.#parts = this.#parts.filter((one) => one !== part);
    this.#sizeBytes -= part.sizeBytes;
    this.#options.onChange();
  }
}
