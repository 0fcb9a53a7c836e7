/** `headrace perf consume`: how fast records can be read, and how long is waited for the next ones. */
import { counted, print, type CommandWorld } from '../command.ts';
import { rangesOf } from '../consume/selection.ts';
import { Latencies, percentilesText } from './latencies.ts';
import { Meter } from './meter.ts';

export interface PerfConsumeFlags {
  /** Ends after so many; at the end of what is there unless given. */
  readonly records?: number;
  /** Waits for records that come, and tells how old they are when they arrive. */
  readonly follow: boolean;
}

const LOOK_MS = 100;

export async function perfConsume(
  topic: string,
  flags: PerfConsumeFlags,
  world: CommandWorld,
): Promise<void> {
  const { follow, records = Infinity } = flags;
  const ranges = await rangesOf(topic, { fromBeginning: !follow, follow, isolation: 'uncommitted' }, world);
  const there = ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const consumer = await world.consumer({
    isolation: 'uncommitted',
    assign: ranges.map(({ partition, begin }) => ({ topic, partition, from: begin })),
  });
  const { clock, signal } = world;
  const ends = new Map(ranges.map(({ partition, end }) => [partition, end]));
  const [waits, ages] = [new Latencies(), new Latencies()];
  const meter = new Meter(follow ? records : Math.min(records, there), world);
  const isAtEnd = (): boolean =>
    !follow && consumer.assignment().every((at) => (consumer.position(at) ?? -1) >= ends.get(at.partition)!);
  let hasBegun = false;
  while (meter.records < records && !signal.aborted && (follow || there > 0)) {
    const askedMs = clock.monotonicMs();
    const batch = await consumer.poll({ signal, timeoutMs: LOOK_MS }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return undefined;
    });
    if (batch !== undefined && batch.records.length > 0) {
      // Connecting and the first fetch are no part of the measurement.
      if (hasBegun) waits.add(clock.monotonicMs() - askedMs);
      else meter.begin();
      hasBegun = true;
      let size = 0;
      for (const record of batch) size += record.sizeBytes;
      if (follow) ages.add(Math.max(0, clock.nowMs() - batch.records[0]!.timestamp));
      meter.add(batch.records.length, size);
    }
    if (isAtEnd()) break;
  }
  meter.end();
  const data = { topic, ...meter.rates(), wait: waits.summary(), ...(follow ? { age: ages.summary() } : {}) };
  print(world, {
    data,
    text: () =>
      `${counted(meter.records, 'record')} in ${meter.seconds.toFixed(1)} s: ${meter.rateText()}\n` +
      `waiting for each batch: ${percentilesText(data.wait)}\n` +
      (data.age === undefined ? '' : `age of the oldest of each batch: ${percentilesText(data.age)}\n`),
  });
}
