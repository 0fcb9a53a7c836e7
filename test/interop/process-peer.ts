// A Peer that lives in a process of its own (Java, Python, Go). The process reads one JSON request a line from stdin,
// {"id", "op", ...arguments}, and writes one JSON answer a line to stdout, {"id", "result"} or {"id", "error"}, in any order.
// Bytes travel as base64, absent ones as null. What it writes to stderr is kept for the error messages.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type {
  CommittedOffset,
  Compression,
  Member,
  Peer,
  ReadRecord,
  SentRecord,
  Start,
  TakenRecord,
} from './peer.ts';

const CALL_MS_MAX = 120_000;
const END_MS_MAX = 10_000;
const STDERR_CHARACTERS_MAX = 20_000;

/** What a program answers: JSON whose shape only the test that asked knows. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Answer = any;

export interface ProcessPeer extends Peer {
  /** an operation beyond Peer that this peer's program knows */
  call: (op: string, args: Record<string, unknown>) => Promise<Answer>;
  /** to stop its process, let it go on, or end it */
  signal: (signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL') => void;
  /** the end of what it has written to stderr */
  errors: () => string;
}

export interface Call {
  resolve(result: Answer): void;
  reject(error: Error): void;
}

/** Starts `command` with the bootstrap address as its last argument. */
export function startProcessPeer(command: string[], bootstrap: string): ProcessPeer {
  const [program, ...args] = command;
  const child = spawn(program!, [...args, bootstrap], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const waiting = new Map<number, Call>();
  let errors = '';
  let lastId = 0;
  let lastMember = 0;

  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (process.env['HEADRACE_INTEROP_DEBUG'] !== undefined) process.stderr.write(text);
    errors = (errors + text).slice(-STDERR_CHARACTERS_MAX);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.error === undefined) call?.resolve(answer.result);
    else call?.reject(new Error(answer.error));
  });
  child.stdin.on('error', () => {});
  child.once('close', () => {
    process.off('exit', end);
    for (const call of waiting.values()) call.reject(new Error(`the peer ended:\n${errors}`));
    waiting.clear();
  });

  const call = (op: string, fields: Record<string, unknown>): Promise<Answer> => {
    lastId += 1;
    const id = lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`no answer to ${op} within ${CALL_MS_MAX} ms; stderr:\n${errors.slice(-3000)}`));
      }, CALL_MS_MAX);
      waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          error.message = `${op}: ${error.message}`;
          reject(error);
        },
      });
      if (child.exitCode !== null) waiting.get(id)!.reject(new Error(`the peer has ended:\n${errors}`));
      else child.stdin.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    });
  };

  return {
    call,
    signal: (signal) => void child.kill(signal),
    errors: () => errors,
    createTopic: (topic, partitions, configs) => call('createTopic', { topic, partitions, configs }),
    deleteTopic: (topic) => call('deleteTopic', { topic }),
    topics: () => call('topics', {}),
    partitionCount: (topic) => call('partitions', { topic }),
    topicConfigs: (topic) => call('configs', { topic }),
    alterTopicConfig: (topic, name, value) => call('alterConfig', { topic, name, value }),
    produce: (topic, records, { compression = 'none' }: { compression?: Compression } = {}) =>
      call('produce', { topic, compression, records: records.map(encodeRecord) }),
    read: async (topic, partition, start, count) => {
      const records = await call('read', { topic, partition, count, ...encodeStart(start) });
      return records.map((record: EncodedRecord) => decodeRecord(record, partition));
    },
    offsetAt: (topic, partition, timestamp) => call('offsetAt', { topic, partition, timestamp }),
    join: async (group, topic, options = {}) => {
      lastMember += 1;
      return joinMember({ call, member: lastMember, group, topic, ...options });
    },
    commit: (group, topic, offsets) => call('commit', { group, topic, offsets }),
    committed: async (group, topic) => {
      const offsets = (await call('committed', { group, topic })) as CommittedOffset[];
      return offsets.sort((one, other) => one.partition - other.partition);
    },
    close: async () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Joins through the program's `join`; `options` are passed on (a strategy, an instance id). */
export async function joinMember({
  call,
  member,
  group,
  topic,
  ...options
}: {
  call: ProcessPeer['call'];
  member: number | string;
  group: string;
  topic: string;
  [option: string]: unknown;
}): Promise<Member> {
  await call('join', { member, group, topic, ...options });
  return {
    assignment: async () => ((await call('member', { member })).assignment as number[]).sort((a, b) => a - b),
    taken: async () => {
      const { taken } = (await call('member', { member })) as { taken: [number, number, string][] };
      return taken.map(([partition, offset, value]): TakenRecord => ({ partition, offset, value }));
    },
    leave: () => call('leave', { member }),
  };
}

interface EncodedRecord {
  partition?: number;
  offset: number;
  key: string | null;
  value: string | null;
  headers: [string, string | null][];
  timestamp: number;
}

function encodeRecord(record: SentRecord): Omit<EncodedRecord, 'offset'> {
  return {
    partition: record.partition,
    key: encodeBytes(record.key),
    value: encodeBytes(record.value),
    headers: record.headers.map(([name, value]) => [name, encodeBytes(value)]),
    timestamp: record.timestamp,
  };
}

function decodeRecord(record: EncodedRecord, partition: number): ReadRecord {
  return {
    partition,
    offset: record.offset,
    key: decodeBytes(record.key),
    value: decodeBytes(record.value),
    headers: record.headers.map(([name, value]) => [name, decodeBytes(value)]),
    timestamp: record.timestamp,
  };
}

function encodeStart(start: Start): Record<string, unknown> {
  return typeof start === 'object' ? { timestamp: start.timestamp } : { from: start };
}

function encodeBytes(bytes: Buffer | null): string | null {
  return bytes === null ? null : bytes.toString('base64');
}

function decodeBytes(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text, 'base64');
}
