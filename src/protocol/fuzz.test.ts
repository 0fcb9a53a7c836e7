/**
 * Every message, every version, record batches: whatever the bytes, decoding ends in a value or a ProtocolError, soon,
 * and never makes more values than there were bytes (security.md S02 to S04). HEADRACE_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { randomBytes, randomMessage, seeded } from '../../test/conformance/generate.ts';
import { OUR_MESSAGES, versionsOf } from '../../test/conformance/our-messages.ts';
import { codec } from './compile.ts';
import { CompressionError } from './compression-error.ts';
import * as batches from './record-batch.ts';
import { buildBatch, forEachRecord } from './records.ts';
import type { AnyMessage } from './schema.ts';
import { ProtocolError, Reader, Writer } from './wire.ts';

const seed = Number(process.env['HEADRACE_SEED'] ?? Date.now() % 2 ** 31);
const random = seeded(seed);
const below = (limit: number): number => Math.floor(random() * limit);

/** One decoding of a small message; generous, as the machine may be busy. */
const DECODE_MS_MAX = 50;
/** Large ones have time in proportion: this is what code takes that has not been optimised yet, several times over. */
const BYTES_PER_MS_MIN = 4096;
const FRAME_BYTES = 65_536;

/** What liars write over sizes, counts and varints of every width. */
const LIES = [
  'ff',
  '80',
  '7f',
  '00',
  '01',
  'ffff',
  '7fff',
  '8000',
  'ffffffff',
  '7fffffff',
  '80000000',
  'fffffffe',
  '000f4241',
  'ffffffff0f',
  'ffffffff07',
  'ffffff7f',
  'ffff7f',
  '8080808080',
  'ffffffffff7f',
  '7fffffffffffffff',
  '0020000000000000',
  'ffffffffffffffffffff01',
].map((hex) => Buffer.from(hex, 'hex'));

function encoded(message: AnyMessage, version: number): Buffer {
  const writer = new Writer();
  codec(message, version).write(writer, randomMessage(message, version, random));
  return writer.toBuffer();
}

/** Values of every kind within a value: what decoding had to make. */
function countValues(value: unknown): number {
  if (value === null || typeof value !== 'object') return 1;
  if (Buffer.isBuffer(value)) return 1;
  let count = 1;
  for (const member of Object.values(value)) count += countValues(member);
  return count;
}

/** Values made without a byte of their own: those of fields that the version lacks, in each struct that has a byte. */
const VALUES_PER_BYTE_MAX = 40;

/** Heap of the smallest struct that a byte or two can stand for; an array of them is what costs most. */
const HEAP_PER_BYTE_MAX = 100;

/** Decodes, and yields false when the bytes were refused as they should be. */
function decode(message: AnyMessage, version: number, bytes: Buffer): boolean {
  const { value, tookMs } = attempt(message, version, bytes);
  const limitMs = DECODE_MS_MAX + bytes.length / BYTES_PER_MS_MIN;
  if (tookMs > limitMs) {
    // The machine may have been busy with something else: what is slow by itself is slow again.
    const again = attempt(message, version, bytes).tookMs;
    assert(
      again <= DECODE_MS_MAX,
      `${message.name} v${version} took ${again} ms: ${bytes.toString('hex', 0, 500)}`,
    );
  }
  if (value === undefined) return false;
  const values = countValues(value);
  assert(
    values <= VALUES_PER_BYTE_MAX * (bytes.length + 1),
    `${message.name} v${version}: ${values} values of ${bytes.length} bytes`,
  );
  return true;
}

function attempt(message: AnyMessage, version: number, bytes: Buffer): { value: unknown; tookMs: number } {
  const { read } = codec(message, version);
  const from = performance.now();
  try {
    const value = read(new Reader(bytes));
    return { value, tookMs: performance.now() - from };
  } catch (error) {
    if (error instanceof ProtocolError) return { value: undefined, tookMs: performance.now() - from };
    throw new Error(`${message.name} v${version} of ${bytes.toString('hex', 0, 500)}`, { cause: error });
  }
}

function forEachVersion(visit: (message: AnyMessage, version: number) => void): void {
  for (const message of OUR_MESSAGES) for (const version of versionsOf(message)) visit(message, version);
}

test('what is written is read back whole and written the same again', (t) => {
  t.diagnostic(`HEADRACE_SEED=${seed}`);
  forEachVersion((message, version) => {
    for (let n = 0; n < 10; n++) {
      const bytes = encoded(message, version);
      const reader = new Reader(bytes);
      const value = codec(message, version).read(reader);
      assert.equal(reader.remaining(), 0);
      const writer = new Writer();
      codec(message, version).write(writer, value);
      assert.equal(writer.toBuffer().toString('hex'), bytes.toString('hex'), `${message.name} v${version}`);
    }
  });
});

test('a message cut off at any byte is refused', () => {
  forEachVersion((message, version) => {
    for (let n = 0; n < 3; n++) {
      const bytes = encoded(message, version);
      for (let size = 0; size < bytes.length; size++) {
        assert(!decode(message, version, bytes.subarray(0, size)), `${message.name} v${version} at ${size}`);
      }
    }
  });
});

test('a lie written over any byte, or put before it, does no harm', () => {
  forEachVersion((message, version) => {
    const bytes = encoded(message, version);
    const step = Math.max(1, Math.floor(bytes.length / 100));
    for (let at = 0; at < bytes.length; at += step) {
      const lie = LIES[below(LIES.length)];
      const over = Buffer.concat([bytes.subarray(0, at), lie, bytes.subarray(at + lie.length)]);
      decode(message, version, over);
      decode(message, version, Buffer.concat([bytes.subarray(0, at), lie, bytes.subarray(at)]));
    }
  });
});

test('bytes without sense do no harm', () => {
  forEachVersion((message, version) => {
    for (let n = 0; n < 20; n++) decode(message, version, randomBytes(below(300), random));
  });
});

test('frames that are full of one thing yield no more values than they have bytes for', () => {
  const frames = ['00', '01', '02', '7f', '80', 'ff', '0001', '0002', '00000001', '000003e8'].map((hex) =>
    Buffer.alloc(FRAME_BYTES, Buffer.from(hex, 'hex')),
  );
  forEachVersion((message, version) => {
    for (const frame of frames) decode(message, version, frame);
  });
});

test('lies told in large frames take no memory', () => {
  // Each frame begins as the message does, then says that there is much more than the rest could hold.
  const filler = Buffer.alloc(1 << 20, 0xff);
  const before = process.memoryUsage();
  forEachVersion((message, version) => {
    const bytes = encoded(message, version);
    const frame = Buffer.concat([bytes.subarray(0, below(bytes.length)), filler]);
    const from = process.memoryUsage().heapUsed;
    decode(message, version, frame);
    const grown = process.memoryUsage().heapUsed - from;
    assert(grown < HEAP_PER_BYTE_MAX * frame.length, `${message.name} v${version}: heap grew by ${grown}`);
  });
  const grown = process.memoryUsage().rss - before.rss;
  assert(grown < 256 << 20, `memory grew by ${grown}`);
});

test('record batches with lies in them are refused or read, within their bytes', () => {
  const limits = { maxDecompressedBytes: 100_000 };
  let read = 0;
  for (let n = 0; n < 6000; n++) {
    const batch = buildBatch({
      records: Array.from({ length: 1 + below(5) }, (_, i) => ({
        key: randomBytes(below(10), random),
        value: randomBytes(below(20), random),
        headers: Array.from({ length: below(3) }, () => ({ key: 'h', value: randomBytes(below(5), random) })),
        timestamp: 1000 + i,
      })),
      compression: batches.COMPRESSION_TYPES[n % 5],
    });
    const lie = LIES[below(LIES.length)];
    const at = 21 + below(batch.length - 21);
    const bytes = Buffer.concat([batch.subarray(0, at), lie, batch.subarray(at + (n % 2) * lie.length)]);
    bytes.writeInt32BE(bytes.length - batches.LOG_OVERHEAD_BYTES, 8);
    batches.updateCrc(bytes);
    assert.equal(batches.checkBatch(bytes), undefined);
    let visited = 0;
    try {
      forEachRecord(
        bytes,
        (record) => {
          visited++;
          assert(record.offsetDelta >= 0);
          void [record.key, record.value, record.headers];
        },
        limits,
      );
      read++;
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof CompressionError)) {
        throw new Error(bytes.toString('hex'), { cause: error });
      }
    }
    assert(visited <= limits.maxDecompressedBytes);
  }
  assert(read > 0, 'some lies are harmless, or nothing was tested');
});
