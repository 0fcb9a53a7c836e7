/**
 * `headrace perf produce`: as many records a second as the cluster takes, or as many as are asked for. With a rate a record's
 * time counts from when it was due, so that a cluster that stands still is not flattered by records that wait their turn.
 */
import type { CompressionType } from '../../client/client.ts';
import { counted, print, type CommandWorld } from '../command.ts';
import { bytes } from '../table.ts';
import { Latencies, percentilesText } from './latencies.ts';
import { Meter } from './meter.ts';

export interface PerfProduceFlags {
  readonly records: number;
  readonly sizeBytes: number;
  /** A second; as fast as it goes unless given. */
  readonly rate?: number;
  readonly acks: 'all' | 0 | 1;
  readonly compression: CompressionType;
  readonly batchBytes?: number;
  readonly lingerMs?: number;
}

/** Of so many one is timed: each of them costs a promise. */
const TIMED_EVERY = 16;
/** Between two looks at the clock. */
const TURN_MS = 1;
const TURN_RECORDS_MAX = 2_000;
/** Different values, so that compression does not see one record again and again. */
const VALUES = 64;

export async function perfProduce(
  topic: string,
  flags: PerfProduceFlags,
  world: CommandWorld,
): Promise<void> {
  await (await world.admin()).describeTopics([topic], world);
  const { records, rate, sizeBytes, acks, compression, batchBytes, lingerMs } = flags;
  const producer = await world.producer({
    acks,
    compression,
    createTopics: false,
    ...(batchBytes === undefined ? {} : { batchBytes }),
    ...(lingerMs === undefined ? {} : { lingerMs }),
  });
  const { clock, signal, timers } = world;
  const values = Array.from({ length: VALUES }, (_, n) => valueOf(n, sizeBytes));
  const latencies = new Latencies();
  let failure: { readonly error: unknown } | undefined;
  // The first record finds the topic and its leaders; it is no part of the measurement.
  await producer.send({ topic, value: values[0]! });
  const meter = new Meter(records, world);
  const beganMs = clock.monotonicMs();
  let sent = 0;
  const send = (): void => {
    const value = values[sent % VALUES]!;
    const dueMs = rate === undefined ? clock.monotonicMs() : beganMs + (sent * 1000) / rate;
    sent += 1;
    if (sent % TIMED_EVERY !== 0) return void producer.write({ topic, value });
    producer.send({ topic, value }).then(
      () => latencies.add(clock.monotonicMs() - dueMs),
      (error: unknown) => (failure ??= { error }),
    );
  };
  while (sent < records && failure === undefined && !signal.aborted) {
    const due =
      rate === undefined ? records : Math.floor(((clock.monotonicMs() - beganMs) / 1000) * rate) + 1;
    const turn = Math.min(due, records, sent + TURN_RECORDS_MAX) - sent;
    for (let n = 0; n < turn; n++) send();
    meter.add(Math.max(0, turn), Math.max(0, turn) * sizeBytes);
    await producer.ready();
    await new Promise<void>((resolve) =>
      turn < TURN_RECORDS_MAX ? void timers.after(TURN_MS, resolve) : timers.soon(resolve),
    );
  }
  await producer.flush();
  meter.end();
  if (failure !== undefined) throw failure.error;
  const data = { topic, ...meter.rates(), latency: latencies.summary() };
  print(world, {
    data,
    text: () =>
      `${counted(meter.records, 'record')} of ${bytes(sizeBytes)} in ${meter.seconds.toFixed(1)} s: ${meter.rateText()}\n` +
      `until acknowledged (1 of ${TIMED_EVERY} timed): ${percentilesText(data.latency)}\n`,
  });
}

/** Text that compresses somewhat, as most text does. */
function valueOf(seed: number, sizeBytes: number): Buffer {
  const value = Buffer.alloc(sizeBytes);
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    value[at] = 97 + ((state >>> 24) % 26);
  }
  return value;
}
