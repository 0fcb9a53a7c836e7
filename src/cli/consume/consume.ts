/**
 * `headrace consume`: reads what is there now and ends, or follows what comes. Records of one partition come in their order;
 * the last records of a topic (`--tail`) in the order of their times.
 */
import type { Consumer, ConsumerRecord } from '../../client/client.ts';
import { counted, UsageError, type CommandWorld } from '../command.ts';
import { filterOf, type Filter, type FilterOptions } from './filters.ts';
import { formatter, type FormatOptions, type Formatter } from './formats.ts';
import { checkSelection, rangesOf, type PartitionRange, type SelectionFlags } from './selection.ts';

export interface ConsumeFlags extends SelectionFlags, FilterOptions, FormatOptions {
  /** Ends after so many records that were printed. */
  readonly max?: number;
}

/** How often it is looked whether the end has been reached, where nothing comes. */
const LOOK_MS = 100;
/** A member that is given nothing to read, because others have it all, ends after this. */
const GROUP_PATIENCE_MS = 10_000;
const TAIL_MAX = 100_000;

export async function consume(topic: string, flags: ConsumeFlags, world: CommandWorld): Promise<void> {
  checkSelection(flags);
  if (flags.tail !== undefined && flags.tail > TAIL_MAX) throw new UsageError(`--tail: at most ${TAIL_MAX}`);
  const [filter, format] = [filterOf(flags), formatter(flags)];
  const ranges = await rangesOf(topic, flags, world);
  const printer = new Printer({ format, filter, max: flags.max ?? Infinity }, world);
  const consumer = await world.consumer(
    flags.group === undefined
      ? {
          isolation: flags.isolation,
          assign: ranges.map(({ partition, begin }) => ({ topic, partition, from: begin })),
        }
      : {
          isolation: flags.isolation,
          group: flags.group,
          topics: [topic],
          from: flags.follow && !flags.fromBeginning ? 'latest' : 'earliest',
          autoCommit: false,
        },
  );
  try {
    if (flags.tail !== undefined) await printTail({ consumer, ranges, printer, count: flags.tail }, world);
    if (flags.tail === undefined || flags.follow) await printAll({ consumer, ranges, printer, flags }, world);
  } catch (error) {
    if (!world.signal.aborted) throw error;
  }
  world.terminal.note(`${counted(printer.printed, 'record')}${printer.left()}\n`);
}

interface Reading {
  readonly consumer: Consumer;
  readonly ranges: readonly PartitionRange[];
  readonly printer: Printer;
}

async function printAll(
  { consumer, ranges, printer, flags }: Reading & { readonly flags: ConsumeFlags },
  { signal, clock }: CommandWorld,
): Promise<void> {
  const ends = new Map(ranges.map(({ partition, end }) => [partition, end]));
  const isInGroup = flags.group !== undefined;
  const waitsUntilMs = clock.monotonicMs() + GROUP_PATIENCE_MS;
  const isDone = (): boolean => {
    if (printer.isFull) return true;
    if (flags.follow) return false;
    const assigned = consumer.assignment();
    if (assigned.length === 0) return clock.monotonicMs() > waitsUntilMs;
    return assigned.every((at) => (consumer.position(at) ?? -1) >= (ends.get(at.partition) ?? 0));
  };
  const hasNothing = !isInGroup && !flags.follow && ranges.every(({ begin, end }) => begin >= end);
  if (hasNothing || printer.isFull) return;
  do {
    const batch = await consumer.poll({ signal, timeoutMs: LOOK_MS });
    if (batch === undefined) continue;
    const end = flags.follow ? Infinity : (ends.get(batch.partition) ?? Infinity);
    let next = batch.nextOffset;
    for (const record of batch) {
      if (record.offset >= end || signal.aborted) break;
      if (printer.isFull) {
        next = record.offset;
        break;
      }
      await printer.print(record);
    }
    if (isInGroup) {
      const { topic, partition } = batch;
      await consumer.commit([{ topic, partition, offset: next }], { signal });
    }
  } while (!isDone() && !signal.aborted);
}

/** The newest of all partitions, by time: all partitions' ends are read before it is known which these are. */
async function printTail(
  { consumer, ranges, printer, count }: Reading & { readonly count: number },
  { signal }: CommandWorld,
): Promise<void> {
  const open = new Set(ranges.filter(({ begin, end }) => begin < end).map(({ partition }) => partition));
  const ends = new Map(ranges.map(({ partition, end }) => [partition, end]));
  const found: ConsumerRecord[] = [];
  while (open.size > 0) {
    const batch = await consumer.poll({ signal, timeoutMs: LOOK_MS });
    for (const record of batch ?? []) if (printer.wants(record)) found.push(record);
    for (const at of consumer.assignment()) {
      if ((consumer.position(at) ?? -1) >= ends.get(at.partition)!) open.delete(at.partition);
    }
  }
  found.sort((a, b) => a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset);
  for (const record of found.slice(-count)) if (!printer.isFull) await printer.print(record);
}

interface PrinterOptions {
  readonly format: Formatter;
  readonly filter: Filter;
  readonly max: number;
}

class Printer {
  printed = 0;
  #passedOver = 0;
  readonly #options: PrinterOptions;
  readonly #world: CommandWorld;

  constructor(options: PrinterOptions, world: CommandWorld) {
    this.#options = options;
    this.#world = world;
  }

  get isFull(): boolean {
    return this.printed >= this.#options.max;
  }

  wants(record: ConsumerRecord): boolean {
    if (this.#options.filter(record)) return true;
    this.#passedOver += 1;
    return false;
  }

  async print(record: ConsumerRecord): Promise<void> {
    if (!this.wants(record)) return;
    this.printed += 1;
    const room = this.#world.terminal.write(this.#options.format(record));
    if (room !== undefined) await room;
  }

  /** What the filters have left out. */
  left(): string {
    return this.#passedOver === 0 ? '' : `, ${this.#passedOver} others passed over`;
  }
}
