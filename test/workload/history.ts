/**
 * A history: what the clients of a workload did and were told, one JSON object a line, in the order in which it was noted.
 * A process does one operation at a time. Transactions, sends and inits begin with an `invoke` line, which names every
 * value that may be written, and end with a second line: `ok` (it was committed), `fail` (it was certainly not),
 * `info` (nobody knows), or with none, when the process died, which is `info` too. All else is one `ok` line, written
 * once the answer was there. Keys are partitions. A value is a number that is sent once in the whole history: who tries
 * again after an error takes another one. Times are of one clock that all processes share.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

export type Isolation = 'read_committed' | 'read_uncommitted';

/** By key: offset and value of each record, in the order in which the client got them. */
export type Polled = Readonly<Record<string, readonly (readonly [offset: number, value: number])[]>>;

export interface SendStep {
  readonly send: readonly [key: string, value: number, offset?: number | null];
}
export interface PollStep {
  /** What came back; null in an invoke line that is written before. */
  readonly poll: Polled | null;
}
export type Step = SendStep | PollStep;

/** Offsets that a transaction commits: by key from where it had read, and what it commits (the next to read). */
export interface CommittedRange {
  readonly group: string;
  readonly ranges: Readonly<Record<string, readonly [from: number, to: number]>>;
}

interface At {
  readonly atUs: number;
  readonly process: string;
}

export interface TransactionLine extends At {
  readonly f: 'txn';
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  /** The transactional id. */
  readonly id: string;
  /** One per init: names the epoch, or the epochs that follow from it. */
  readonly producer: string;
  readonly steps: readonly Step[];
  readonly consumer?: string;
  readonly offsets?: CommittedRange;
  /** In the second line: when the client asked to commit; absent where it never did. */
  readonly commitAtUs?: number;
  readonly error?: string;
}

/** Without a transaction: every send counts by itself. */
export interface SendLine extends At {
  readonly f: 'send';
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly steps: readonly SendStep[];
  readonly error?: string;
}

export interface InitLine extends At {
  readonly f: 'init';
  readonly type: 'invoke' | 'ok' | 'fail' | 'info';
  readonly id: string;
  readonly producer: string;
  readonly error?: string;
}

export interface AssignLine extends At {
  readonly f: 'assign';
  readonly type: 'ok';
  readonly consumer: string;
  readonly isolation: Isolation;
  /** The next offset to read by key. A key that is not there is not read any more. */
  readonly positions: Readonly<Record<string, number>>;
}

export interface PollLine extends At {
  readonly f: 'poll';
  readonly type: 'ok';
  readonly consumer: string;
  readonly poll: Polled;
}

/** What a group had committed; `sinceUs`: when it was asked. */
export interface CommittedLine extends At {
  readonly f: 'committed';
  readonly type: 'ok';
  readonly group: string;
  readonly sinceUs: number;
  readonly offsets: Readonly<Record<string, number>>;
}

/** A member of a group commits what it has read; `fail`: it was refused. `sinceUs`: when it was asked. */
export interface CommitLine extends At {
  readonly f: 'commit';
  readonly type: 'ok' | 'fail' | 'info';
  readonly group: string;
  readonly sinceUs: number;
  readonly offsets: Readonly<Record<string, number>>;
  readonly error?: string;
}

/** Which keys a member was given in a generation of its group. */
export interface OwnedLine extends At {
  readonly f: 'owned';
  readonly type: 'ok';
  readonly group: string;
  readonly generation: number;
  readonly member: string;
  readonly keys: readonly string[];
}

/** Log ends; `at the end`: after all faults, when no transaction can be open any more. */
export interface EndsLine extends At {
  readonly f: 'ends';
  readonly type: 'ok';
  readonly isolation: Isolation;
  readonly offsets: Readonly<Record<string, number>>;
}

export interface FaultLine extends At {
  readonly f: 'fault';
  readonly type: 'ok';
  readonly what: 'down' | 'up';
  readonly how: string;
}

/** Every key was read from its beginning to its end, after all writers had ended. */
export interface CompleteLine extends At {
  readonly f: 'complete';
  readonly type: 'ok';
}

export type Line =
  | TransactionLine
  | SendLine
  | InitLine
  | AssignLine
  | PollLine
  | CommittedLine
  | CommitLine
  | OwnedLine
  | EndsLine
  | FaultLine
  | CompleteLine;

export function parseHistory(text: string): Line[] {
  return text.split('\n').filter(Boolean).map(parseLine);
}

/** Reads files that several processes wrote, and puts their lines in the order of time. */
export async function readHistory(paths: readonly string[]): Promise<Line[]> {
  const lines: Line[] = [];
  for (const path of paths) {
    for await (const text of createInterface({ input: createReadStream(path) })) {
      // The last line of a process that was killed may be cut: what it would have said is unknown.
      if (text.endsWith('}')) lines.push(parseLine(text));
    }
  }
  return lines.sort((one, other) => one.atUs - other.atUs);
}

function parseLine(text: string): Line {
  return JSON.parse(text) as Line;
}
