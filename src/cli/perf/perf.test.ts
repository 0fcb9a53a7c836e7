/** Measurements: the figures are those of what was done. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandScene } from '../test-world.ts';
import { createTopic } from '../topics/topics.ts';
import { Latencies } from './latencies.ts';
import { perfConsume } from './perf-consume.ts';
import { perfProduce } from './perf-produce.ts';

test('percentiles are within 1 % of what was added', () => {
  const latencies = new Latencies();
  for (let n = 1; n <= 10_000; n++) latencies.add(n / 10);
  for (const [part, right] of [
    [0.5, 500],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    assert.ok(
      Math.abs(latencies.percentileMs(part) / right - 1) <= 0.011,
      String(latencies.percentileMs(part)),
    );
  }
  assert.equal(new Latencies().percentileMs(0.99), 0);
});

interface Figures {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly latency: { readonly count: number; readonly maxMs: number };
}

test('what was produced at a rate takes its time, and is consumed whole', async () => {
  const scene = await commandScene();
  const flags = { configs: {}, ifNotExists: false, dryRun: false, partitions: 2 };
  await scene.run((world) => createTopic('t', flags, world));
  const produced = await scene.data<Figures>((world) =>
    perfProduce('t', { records: 1_600, sizeBytes: 50, rate: 800, acks: 'all', compression: 'lz4' }, world),
  );
  assert.deepEqual([produced.records, produced.bytes, produced.latency.count], [1_600, 80_000, 100]);
  assert.ok(produced.seconds > 1.9 && produced.seconds < 2.3, String(produced.seconds));
  // And the one that came before the measurement.
  const consumed = await scene.data<Figures>((world) => perfConsume('t', { follow: false }, world));
  assert.deepEqual([consumed.records, consumed.bytes], [1_601, 80_050]);
  const text = await scene.run((world) => perfConsume('t', { follow: false, records: 10 }, world));
  assert.match(text.text, /records in .*records\/s.*\nwaiting for each batch: 50 %/);
  const unknown = await scene.run((world) => perfConsume('x', { follow: false }, world));
  assert.match(unknown.failure!.problems[0]!, /UNKNOWN_TOPIC/);
  await scene.end();
});
