import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { FrameConnection } from './frame-connection.ts';

function frame(sizeBytes: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + sizeBytes, fill);
  bytes.writeInt32BE(sizeBytes);
  return bytes;
}

/** A server with one connection, and the client's end of it. */
async function pair(): Promise<{ far: Socket; near: FrameConnection; close(): void }> {
  const server = createServer({ noDelay: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const near = await FrameConnection.connect((server.address() as AddressInfo).port);
  const far = await accepted;
  const close = (): void => {
    near.close();
    far.destroy();
    server.close();
  };
  return { far, near, close };
}

test('frames are handed over whole, however their bytes arrive', async () => {
  const { far, near, close } = await pair();
  const frames = [
    frame(1, 1),
    frame(5, 2),
    frame(0, 0),
    frame(600_000, 3),
    frame(3, 4),
    frame(3_000_000, 6),
    frame(9_000, 5),
  ];
  const bytes = Buffer.concat(frames);
  // Sizes cut apart, several frames at once, and one frame larger than what is read at a time.
  const cuts = [2, 4, 6, 11, 13, 20, 300_000, bytes.length - 9_001, bytes.length - 1, bytes.length];
  const received: Buffer[] = [];
  const all = new Promise<void>((resolve) => {
    near.onFrame = (one) => {
      received.push(Buffer.from(one));
      if (received.length === frames.length) resolve();
    };
  });
  let from = 0;
  for (const to of cuts) {
    far.write(bytes.subarray(from, to));
    from = to;
    await delay(2);
  }
  await all;
  assert.deepEqual(
    received,
    frames.map((one) => one.subarray(4)),
  );
  close();
});

test('two connections that receive parts of frames by turns do not mix them up', async () => {
  const [first, second] = [await pair(), await pair()];
  const received: string[] = [];
  const both = new Promise<void>((resolve) => {
    const take = (one: Buffer): void => {
      received.push(one.toString('latin1'));
      if (received.length === 2) resolve();
    };
    first.near.onFrame = take;
    second.near.onFrame = take;
  });
  const [a, b] = [frame(8, 0x61), frame(8, 0x62)];
  for (let at = 0; at < a.length; at += 3) {
    first.far.write(a.subarray(at, at + 3));
    second.far.write(b.subarray(at, at + 3));
    await delay(2);
  }
  await both;
  assert.deepEqual(received.toSorted(), ['aaaaaaaa', 'bbbbbbbb']);
  first.close();
  second.close();
});

test('a connection that the other end closes is told as lost, one that we close is not', async () => {
  const { far, near, close } = await pair();
  const lost = new Promise<string>((resolve) => (near.onLost = resolve));
  far.end();
  assert.match(await lost, /closed/);
  close();
  const other = await pair();
  other.near.onLost = () => assert.fail('it was closed here');
  other.close();
  await delay(5);
});
