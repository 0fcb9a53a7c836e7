/**
 * What is in one replica's log, kept beside it: the epoch and the content of each record, as it was appended, cut, or found
 * on the disk at the start.
 */
import type { Log } from '../../../src/log/log.ts';
import * as header from '../../../src/protocol/record-batch.ts';
import { forEachRecord } from '../../../src/protocol/records.ts';
import type { SimulatedPorts } from '../../../src/runtime/simulated-ports.ts';

const LIMITS = { maxDecompressedBytes: 1 << 20 };
/** More records than one batch has. */
const PLACES = 4096;

export interface Entry {
  readonly epoch: number;
  /** Of a record: its key and value, or the checksum of its batch and its place there. */
  readonly content: string | number;
}

export interface ShadowOptions {
  /** Cleaning makes batches anew, and keeps their records. */
  readonly isCompacted: boolean;
  readonly onPut: (offset: number, entry: Entry) => void;
  readonly onCut: (end: number) => void;
}

export class Shadow {
  readonly log: Log;
  /** From offset 0, with holes where the log began later or was cleaned. */
  readonly entries: (Entry | undefined)[] = [];
  readonly #options: ShadowOptions;

  /** Takes over what is on the disk, and follows all changes from here. */
  constructor(log: Log, ports: SimulatedPorts, options: ShadowOptions) {
    this.log = log;
    this.#options = options;
    for (const file of filesOf(ports, log.folder)) this.#add(file);
    this.entries.length = log.logEndOffset;
    const { appendAsLeader, appendAsFollower, truncateTo, truncateFullyAndStartAt } = log;
    log.appendAsLeader = (records, how) => {
      const result = appendAsLeader.call(log, records, how);
      if (result.errorCode === 0 && !result.duplicate) this.#add(records);
      return result;
    };
    log.appendAsFollower = (records, nowMs) => {
      const result = appendAsFollower.call(log, records, nowMs);
      if (result.errorCode === 0) this.#add(records);
      return result;
    };
    log.truncateTo = (offset) => {
      const result = truncateTo.call(log, offset);
      this.#cut(log.logEndOffset);
      return result;
    };
    log.truncateFullyAndStartAt = (offset) => {
      truncateFullyAndStartAt.call(log, offset);
      this.#cut(0);
      this.entries.length = log.logEndOffset;
    };
  }

  #add(records: Buffer): void {
    for (const at of header.batchPositions(records)) {
      const epoch = header.partitionLeaderEpoch(records, at);
      const base = header.baseOffset(records, at);
      if (this.#options.isCompacted) this.#addRecords(records, at, epoch);
      else {
        const content = header.storedCrc(records, at) * PLACES;
        const count = header.lastOffsetDelta(records, at) + 1;
        for (let n = 0; n < count; n++) this.#put(base + n, { epoch, content: content + n });
      }
    }
  }

  #addRecords(records: Buffer, at: number, epoch: number): void {
    const batch = records.subarray(at, at + header.batchSizeBytes(records, at));
    forEachRecord(
      batch,
      ({ offset, key, value }) => this.#put(offset, { epoch, content: `${String(key)} ${String(value)}` }),
      LIMITS,
    );
    // A batch ends where it did, whatever was cleaned away.
    this.entries.length = Math.max(this.entries.length, header.lastOffset(batch) + 1);
  }

  #put(offset: number, entry: Entry): void {
    this.entries[offset] = entry;
    this.#options.onPut(offset, entry);
  }

  #cut(end: number): void {
    this.entries.length = Math.min(this.entries.length, end);
    this.#options.onCut(end);
  }
}

/** What the segments hold, each cut to whole batches. */
function filesOf({ disk }: SimulatedPorts, folder: string): Buffer[] {
  return disk
    .list(folder)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => {
      const file = disk.open(`${folder}/${name}`, 'read');
      const bytes = Buffer.alloc(file.sizeBytes());
      file.read(0, bytes);
      file.close();
      const ends = header.batchPositions(bytes).map((at) => at + header.batchSizeBytes(bytes, at));
      return bytes.subarray(0, ends.at(-1) ?? 0);
    });
}
