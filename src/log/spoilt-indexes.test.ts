/** Offset indexes that a disk gives back otherwise than they were written, though their sizes and order may be right. */
import fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { DEFAULT_LOG_SETTINGS } from './settings.ts';
import { bytesOf, openDirectories, TestLog } from './test-log.ts';

const SETTINGS = { ...DEFAULT_LOG_SETTINGS, segmentBytes: 8_000, indexIntervalBytes: 300 };
const BATCHES = 120;
const MAX_BYTES = 1_500;

/** A log of several segments, on whose disk something happens between its broker's lives. */
async function reopened(
  sizes: readonly number[],
  happens: (ports: SimulatedPorts) => void,
): Promise<TestLog> {
  const ports = simulatedPorts({ seed: 1 });
  const settingsFor = () => SETTINGS;
  const before = new TestLog(ports, await openDirectories(ports, { settingsFor }), SETTINGS);
  for (let n = 0; n < BATCHES; n++) before.append({ sizeBytes: sizes[n % sizes.length]! });
  await before.settle(before.directories.shutdown());
  const next = ports.restart('lose');
  happens(next);
  const directories = await openDirectories(next, { settingsFor });
  return new TestLog(next, directories, SETTINGS);
}

function indexesOf(ports: SimulatedPorts): string[] {
  const files = ports.disk.list('/d/t-0').filter((name) => name.endsWith('.index'));
  return files.map((name) => `/d/t-0/${name}`).filter((path) => bytesOf(ports.disk, path).length > 0);
}

interface Damage {
  readonly file: number;
  readonly at: number;
  readonly bytes: Uint8Array;
}

function spoil(ports: SimulatedPorts, { file, at, bytes }: Damage): void {
  const paths = indexesOf(ports);
  // Batches that are all small have no entries.
  const path = paths[file % paths.length];
  if (path === undefined) return;
  const index = ports.disk.open(path, 'create');
  const begin = at % index.sizeBytes();
  index.write(begin, [bytes.subarray(0, index.sizeBytes() - begin)]);
  index.close();
}

test('readers get the batches that follow each other from where they ask, whatever has become of an offset index', async () => {
  const damage = fc.record({
    file: fc.nat(),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 7 }),
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      async (sizes, damages) => {
        const on = await reopened(sizes, (ports) => {
          for (const one of damages) spoil(ports, one);
        });
        for (let offset = 0; offset < BATCHES; offset++) {
          const found = await on.read(offset, { maxBytes: MAX_BYTES });
          assert.ok(found.length > 0, `nothing at ${offset}`);
          assert.deepEqual(
            found,
            found.map((_, index) => offset + index),
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});
