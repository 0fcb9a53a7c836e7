// kcat (librdkafka's command line) as a Peer: one process for each operation, records as text. It creates topics only by
// writing to them and cannot read or change configs, nor commit outside a group.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lack, Member, Peer, ReadRecord, SentRecord, TakenRecord } from './peer.ts';
import { until } from './until.ts';

/** kcat has no admin requests, no timestamps on produce, and treats empty and absent bytes alike. */
export const KCAT_LACKS: Lack[] = [
  'createTopic',
  'deleteTopic',
  'topicConfigs',
  'alterTopicConfig',
  'commit',
  'committed',
  'timestamps',
  'emptyBytes',
  'emptyRecord',
  'nullHeader',
  'commitMetadata',
];

const KCAT_MS_MAX = 60_000;
const FIELD = '\u001f';

/** Runs kcat to its end and returns its stdout. Throws with its stderr when it fails. */
export function kcat(args: string[], options: { input?: string; output?: string } = {}): Promise<string> {
  const debug = process.env['HEADRACE_INTEROP_DEBUG'] === undefined ? [] : ['-X', 'debug=protocol,cgrp'];
  return new Promise((resolve, reject) => {
    const outputFile = options.output === undefined ? undefined : openSync(options.output, 'w');
    const inputFile = options.input === undefined ? undefined : openSync(options.input, 'r');
    const child = spawn('kcat', [...debug, ...args], {
      stdio: [inputFile ?? 'ignore', outputFile ?? 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (debug.length > 0) process.stderr.write(text);
      errors += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), KCAT_MS_MAX);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (outputFile !== undefined) closeSync(outputFile);
      if (inputFile !== undefined) closeSync(inputFile);
      if (code === 0) resolve(output);
      else reject(new Error(`kcat ${args.join(' ')} ended with ${code ?? signal}: ${errors.slice(-2000)}`));
    });
  });
}

export async function startKcat(bootstrap: string): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'interop-kcat-'));
  const base = ['-b', bootstrap];
  const members: Member[] = [];
  let inputs = 0;
  const no = async (): Promise<never> => {
    throw new Error('kcat lacks this');
  };
  const metadata = async (topic: string[]): Promise<{ topics: { topic: string; partitions: unknown[] }[] }> =>
    JSON.parse(await kcat([...base, '-L', '-J', ...topic]));
  const offsetAt = async (topic: string, partition: number, timestamp: number): Promise<number> => {
    const answer = await kcat([...base, '-Q', '-t', `${topic}:${partition}:${timestamp}`]);
    return Number(/offset (-?\d+)/.exec(answer)![1]);
  };

  return {
    createTopic: no,
    deleteTopic: no,
    topicConfigs: no,
    alterTopicConfig: no,
    commit: no,
    committed: no,
    topics: async () => (await metadata([])).topics.map((each) => each.topic),
    partitionCount: async (topic) => (await metadata(['-t', topic])).topics[0]!.partitions.length,
    produce: async (topic, records, { compression = 'none' } = {}) => {
      for (const run of runsOfAlike(records)) {
        inputs += 1;
        const input = join(folder, `input-${inputs}`);
        writeFileSync(
          input,
          run.map((record) => `${text(record.key)}${FIELD}${text(record.value)}\n`).join(''),
        );
        const headers = run[0]!.headers.flatMap(([name, value]) => ['-H', `${name}=${text(value)}`]);
        await kcat(
          [
            ...base,
            '-P',
            '-t',
            topic,
            '-p',
            String(run[0]!.partition),
            '-K',
            FIELD,
            '-Z',
            '-z',
            compression,
            '-X',
            'acks=all',
            '-X',
            'enable.idempotence=true',
            '-X',
            'message.max.bytes=2000000',
            ...headers,
          ],
          { input },
        );
      }
    },
    read: async (topic, partition, start, count) => {
      const from =
        typeof start === 'number' || start === 'earliest'
          ? start === 'earliest'
            ? 'beginning'
            : String(start)
          : `s@${start.timestamp}`;
      const lines = await kcat([
        ...base,
        '-C',
        '-t',
        topic,
        '-p',
        String(partition),
        '-o',
        from,
        '-c',
        String(count),
        '-J',
        '-q',
      ]);
      return lines
        .trimEnd()
        .split('\n')
        .map((line) => decode(JSON.parse(line)));
    },
    offsetAt,
    join: async (group, topic) => {
      const member = await joinKcat({ base, group, topic });
      members.push(member);
      return member;
    },
    close: async () => {
      for (const member of members) await member.leave();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A member is a kcat that prints what it consumes; it commits when it ends (its automatic commits are turned off). */
async function joinKcat({
  base,
  group,
  topic,
}: {
  base: string[];
  group: string;
  topic: string;
}): Promise<Member> {
  const child = spawn(
    'kcat',
    [
      ...base,
      '-G',
      group,
      '-u',
      '-X',
      'auto.offset.reset=earliest',
      '-X',
      'session.timeout.ms=10000',
      '-X',
      'heartbeat.interval.ms=500',
      '-X',
      'auto.commit.interval.ms=200',
      '-X',
      'fetch.wait.max.ms=100',
      '-f',
      '%p %o %s\n',
      topic,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  process.once('exit', () => child.kill('SIGKILL'));
  await until('kcat has joined', () => errors.includes('assigned'), { seen: () => errors });
  return {
    assignment: async () => {
      if (child.exitCode !== null) return [];
      const last =
        errors
          .trimEnd()
          .split('\n')
          .findLast((line) => /assigned|revoked/.test(line)) ?? '';
      if (!last.includes('assigned')) return [];
      return [...last.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1])).sort((a, b) => a - b);
    },
    taken: async () =>
      output
        .split('\n')
        .filter((line) => line !== '')
        .map((line): TakenRecord => {
          const [partition, offset, value] = line.split(' ');
          return { partition: Number(partition), offset: Number(offset), value: value! };
        }),
    leave: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

function text(bytes: Buffer | null): string {
  return bytes === null ? '' : bytes.toString();
}

/** kcat takes one partition and one set of headers for each run. */
function runsOfAlike(records: SentRecord[]): SentRecord[][] {
  const runs: SentRecord[][] = [];
  for (const record of records) {
    const last = runs.at(-1)?.[0];
    const alike =
      last !== undefined &&
      last.partition === record.partition &&
      JSON.stringify(last.headers) === JSON.stringify(record.headers);
    if (alike) runs.at(-1)!.push(record);
    else runs.push([record]);
  }
  return runs;
}

function decode(record: {
  partition: number;
  offset: number;
  ts: number;
  key: string | null;
  payload: string | null;
  headers?: string[];
}): ReadRecord {
  const headers: [string, Buffer | null][] = [];
  const pairs = record.headers ?? [];
  for (let at = 0; at < pairs.length; at += 2) headers.push([pairs[at]!, Buffer.from(pairs[at + 1]!)]);
  return {
    partition: record.partition,
    offset: record.offset,
    key: record.key === null ? null : Buffer.from(record.key),
    value: record.payload === null ? null : Buffer.from(record.payload),
    headers,
    timestamp: record.ts,
  };
}
