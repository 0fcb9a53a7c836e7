/** `headrace produce`: records from text, as fast as the brokers take them, and what has become of them. */
import type { CompressionType, Producer, ProducerRecord, SentRange } from '../../client/client.ts';
import { counted, UsageError, type CommandWorld } from '../command.ts';
import { bytes } from '../table.ts';
import { inputOf, type InputOptions, type InputRecord } from './input.ts';

export interface ProduceFlags extends InputOptions {
  readonly acks: 'all' | 0 | 1;
  readonly compression: CompressionType;
  /** Of all records, unless they have one. */
  readonly key?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly partition?: number;
  readonly createTopic: boolean;
}

/** What has been read and not been acknowledged, in pieces of input. */
const PIECES_MAX = 16;
/** A record of its size at most; the topic decides in the end. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;

/** Reads pieces of UTF-8 until there are no more. */
export async function produce(
  { topic, pieces }: { readonly topic: string; readonly pieces: AsyncIterable<Uint8Array> },
  flags: ProduceFlags,
  world: CommandWorld,
): Promise<void> {
  const input = inputOf(flags);
  await checkTopic(topic, flags, world);
  const producer = await world.producer({
    acks: flags.acks,
    compression: flags.compression,
    createTopics: flags.createTopic,
    requestBytesMax: REQUEST_BYTES_MAX,
  });
  const sending = new Sending(producer, world);
  const decoder = new TextDecoder();
  const send = (records: readonly InputRecord[]): Promise<void> =>
    sending.add(records.map((record) => wholeRecord(topic, record, flags)));
  try {
    for await (const piece of pieces) {
      if (world.signal.aborted) break;
      await send(input.push(decoder.decode(piece, { stream: true })));
    }
    if (!world.signal.aborted) await send([...input.push(decoder.decode()), ...input.end()]);
    await sending.end();
  } catch (error) {
    await sending.end().catch(() => {});
    if (sending.records > 0) sending.report(topic);
    throw error;
  }
  sending.report(topic);
}

/** Before anything is read: a mistyped name would otherwise wait, or make a topic. */
async function checkTopic(topic: string, flags: ProduceFlags, world: CommandWorld): Promise<void> {
  if (flags.createTopic) return;
  const [found] = await (await world.admin()).describeTopics([topic], world);
  const count = found!.partitions.length;
  if (flags.partition !== undefined && flags.partition >= count) {
    throw new UsageError(`--partition ${flags.partition}: ${topic} has partitions 0 to ${count - 1}`);
  }
}

function wholeRecord(topic: string, record: InputRecord, flags: ProduceFlags): ProducerRecord {
  const { key = flags.key, partition = flags.partition, headers, value, timestamp } = record;
  const common = Object.entries(flags.headers);
  return {
    topic,
    key,
    value,
    timestamp,
    partition,
    ...(headers === undefined && common.length === 0
      ? {}
      : { headers: [...((headers ?? []) as [string, string][]), ...common] }),
  };
}

/** Keeps some pieces under way, in order, and counts what was acknowledged. */
class Sending {
  records = 0;
  #bytes = 0;
  readonly #producer: Producer;
  readonly #world: CommandWorld;
  readonly #underWay = new Set<Promise<void>>();
  /** First and last offset, and how many, by partition. */
  readonly #partitions = new Map<number, { first: number; last: number; count: number }>();
  #failed: { readonly error: unknown } | undefined;
  readonly #beganMs: number;

  constructor(producer: Producer, world: CommandWorld) {
    this.#producer = producer;
    this.#world = world;
    this.#beganMs = world.clock.monotonicMs();
  }

  async add(records: readonly ProducerRecord[]): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed.error;
    if (records.length === 0) return;
    const sent = this.#producer.sendAll(records).then(
      (ranges) => this.#note(ranges, sizeOf(records)),
      (error: unknown) => void (this.#failed ??= { error }),
    );
    this.#underWay.add(sent);
    void sent.finally(() => this.#underWay.delete(sent));
    while (this.#underWay.size >= PIECES_MAX) await Promise.race(this.#underWay);
  }

  async end(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#failed !== undefined) throw this.#failed.error;
  }

  #note(ranges: readonly SentRange[], sizeBytes: number): void {
    for (const { partition, baseOffset, count } of ranges) {
      this.records += count;
      const one = this.#partitions.get(partition);
      const last = baseOffset < 0 ? -1 : baseOffset + count - 1;
      if (one === undefined) this.#partitions.set(partition, { first: baseOffset, last, count });
      else {
        one.first = Math.min(one.first, baseOffset);
        one.last = Math.max(one.last, last);
        one.count += count;
      }
    }
    this.#bytes += sizeBytes;
    const seconds = (this.#world.clock.monotonicMs() - this.#beganMs) / 1000;
    const rate = seconds > 0 ? `, ${bytes(this.#bytes / seconds)}/s` : '';
    this.#world.terminal.showProgress(`${counted(this.records, 'record')}, ${bytes(this.#bytes)}${rate}`);
  }

  report(topic: string): void {
    const partitions = [...this.#partitions]
      .map(([partition, { first, last, count }]) => ({
        partition,
        firstOffset: first,
        lastOffset: last,
        count,
      }))
      .sort((a, b) => a.partition - b.partition);
    const { terminal, json } = this.#world;
    if (json) {
      const report = { topic, records: this.records, bytes: this.#bytes, partitions };
      void terminal.write(`${JSON.stringify(report)}\n`);
      return;
    }
    const where = partitions
      .slice(0, PARTITIONS_NAMED_MAX)
      .map(({ partition, firstOffset: first, lastOffset: last }) =>
        first < 0
          ? `partition ${partition}`
          : `partition ${partition} at ${first === last ? first : `${first} to ${last}`}`,
      );
    if (partitions.length > PARTITIONS_NAMED_MAX) where.push('...');
    const what = `${counted(this.records, 'record')} (${bytes(this.#bytes)})`;
    terminal.note(`sent ${what} to ${topic}${where.length === 0 ? '' : `: ${where.join(', ')}`}\n`);
  }
}

const PARTITIONS_NAMED_MAX = 12;

function sizeOf(records: readonly ProducerRecord[]): number {
  let size = 0;
  for (const { key, value } of records) {
    if (typeof key === 'string') size += Buffer.byteLength(key);
    else if (key instanceof Uint8Array) size += key.length;
    if (typeof value === 'string') size += Buffer.byteLength(value);
    else if (value instanceof Uint8Array) size += value.length;
  }
  return size;
}

export function parseAcks(text: string): 'all' | 0 | 1 {
  if (text === 'all' || text === '-1') return 'all';
  if (text === '0' || text === '1') return text === '0' ? 0 : 1;
  throw new UsageError(`--acks ${text}: choose from all, 1, 0`);
}

const CODECS: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export function parseCompression(text: string): CompressionType {
  const found = CODECS.find((codec) => codec === text);
  if (found === undefined) throw new UsageError(`--compression ${text}: choose from ${CODECS.join(', ')}`);
  return found;
}
