import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameCutter, FrameSizeError, type Frame } from './frame-cutter.ts';
import { SlabPool } from '../base/slab-pool.ts';

const MAX = 100 * 1024 * 1024;

function framed(...bodies: readonly Buffer[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const size = Buffer.alloc(4);
      size.writeInt32BE(body.length);
      return [size, body];
    }),
  );
}

/** All frames that come out when the stream arrives in these chunks. */
function cut(chunks: readonly Buffer[], sizeBytesMax = MAX): Frame[] {
  const cutter = new FrameCutter({ sizeBytesMax });
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    cutter.push(chunk);
    for (let frame = cutter.next(); frame !== undefined; frame = cutter.next()) frames.push(frame);
  }
  return frames;
}

function bytesOf(frames: readonly Frame[]): string[] {
  return frames.map(({ bytes }) => bytes.toString('latin1'));
}

test('frames within one chunk are views of it', () => {
  const chunk = framed(Buffer.from('first'), Buffer.from('second'));
  const frames = cut([chunk]);
  assert.deepEqual(bytesOf(frames), ['first', 'second']);
  for (const { bytes, slab } of frames) {
    assert.equal(bytes.buffer, chunk.buffer);
    assert.equal(slab, undefined);
  }
});

test('a stream gives the same frames wherever it is split in two', () => {
  const stream = framed(Buffer.from('first'), Buffer.from('x'), Buffer.from('third frame'));
  for (let at = 0; at <= stream.length; at++) {
    const frames = cut([stream.subarray(0, at), stream.subarray(at)].filter((part) => part.length > 0));
    assert.deepEqual(bytesOf(frames), ['first', 'x', 'third frame'], `split at ${at}`);
  }
});

test('a stream that arrives byte by byte gives its frames', () => {
  const stream = framed(Buffer.from('first'), Buffer.alloc(300, 'x'), Buffer.from('third'));
  const chunks = [...stream].map((byte) => Buffer.from([byte]));
  assert.deepEqual(bytesOf(cut(chunks)), ['first', 'x'.repeat(300), 'third']);
});

test('a large frame over many chunks is assembled into one buffer', () => {
  const body = Buffer.alloc(1_000_003, 'abcdefg');
  const stream = framed(body, Buffer.from('next'));
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length; at += 65_536) chunks.push(stream.subarray(at, at + 65_536));
  const frames = cut(chunks);
  assert.equal(frames.length, 2);
  assert.ok(frames[0]!.bytes.equals(body));
  assert.notEqual(frames[0]!.slab, undefined);
});

for (const size of [-1, 0, 2 ** 31 - 1, MAX + 1, -(2 ** 31)]) {
  test(`S01: a frame of declared size ${size} is refused and nothing is held for it`, () => {
    const header = Buffer.alloc(4);
    header.writeInt32BE(size);
    const cutter = new FrameCutter({ sizeBytesMax: MAX });
    cutter.push(header);
    assert.throws(() => cutter.next(), FrameSizeError);
    assert.equal(cutter.heldBytes(), 0);
  });
}

test('S01: a declared size alone allocates nothing, and what is held stays in proportion to what arrived', () => {
  const header = Buffer.alloc(4);
  header.writeInt32BE(MAX);
  const cutter = new FrameCutter({ sizeBytesMax: MAX });
  cutter.push(header);
  assert.equal(cutter.next(), undefined);
  assert.equal(cutter.heldBytes(), 0);
  let arrived = 0;
  for (let n = 0; n < 2_000; n++) {
    cutter.push(Buffer.alloc(100));
    assert.equal(cutter.next(), undefined);
    arrived += 100;
    // Twice that, because buffers come in powers of two.
    assert.ok(cutter.heldBytes() <= Math.max(4096, 32 * arrived), `${cutter.heldBytes()} for ${arrived}`);
  }
});

test('an idle cutter holds no chunk', () => {
  const cutter = new FrameCutter({ sizeBytesMax: MAX });
  cutter.push(framed(Buffer.from('all')));
  cutter.next();
  assert.equal(cutter.heldBytes(), 0);
  assert.equal(cutter.isInsideFrame(), false);
  cutter.push(framed(Buffer.alloc(1000)).subarray(0, 2));
  cutter.next();
  assert.equal(cutter.isInsideFrame(), true);
});

test('a slab that was given back is used for the next frame, within the limit on what is kept', () => {
  const pool = new SlabPool({ keptBytesMax: 128 * 1024 });
  const slab = pool.take(60_000);
  assert.equal(slab.length, 65_536);
  pool.give(slab);
  assert.equal(pool.take(40_000), slab);
  pool.give(slab);
  pool.give(pool.take(120_000));
  assert.ok(pool.keptBytes() <= 128 * 1024);
  pool.give(Buffer.alloc(8 * 1024 * 1024));
  pool.give(Buffer.alloc(60_000));
  assert.ok(pool.keptBytes() <= 128 * 1024);
});

test('a very large frame that is given back is gone at once, and views of it are empty', () => {
  const pool = new SlabPool({ keptBytesMax: 16 * 1024 * 1024 });
  const slab = pool.take(5 * 1024 * 1024);
  const view = slab.subarray(10, 20);
  pool.give(slab);
  assert.deepEqual([slab.length, view.length, pool.keptBytes()], [0, 0, 0]);
});

test('a stream that ends in the middle of a frame gives its buffer back', () => {
  const pool = new SlabPool({ keptBytesMax: 16 * 1024 * 1024 });
  const cutter = new FrameCutter({ sizeBytesMax: MAX, pool });
  cutter.push(framed(Buffer.alloc(200_000)).subarray(0, 100_000));
  assert.equal(cutter.next(), undefined);
  cutter.close();
  assert.equal(cutter.heldBytes(), 0);
  assert.ok(pool.keptBytes() > 0);
});
