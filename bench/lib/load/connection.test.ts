import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectRaw } from './connection.ts';

function frame(sizeBytes: number, fill: number): Buffer {
  const bytes = Buffer.alloc(4 + sizeBytes, fill);
  bytes.writeInt32BE(sizeBytes, 0);
  return bytes;
}

async function served(
  use: (peer: Socket, received: Buffer[], reasons: string[]) => Promise<void>,
): Promise<void> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const received: Buffer[] = [];
  const reasons: string[] = [];
  const connection = await connectRaw((server.address() as AddressInfo).port, {
    onFrame: (bytes) => void received.push(Buffer.from(bytes)),
    onEnd: (reason) => void reasons.push(reason),
  });
  const [peer] = await accepted;
  try {
    await use(peer, received, reasons);
  } finally {
    connection.close();
    peer.destroy();
    server.close();
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (let n = 0; !condition(); n++) {
    assert(n < 1000, 'it never happened');
    await delay(5);
  }
}

test('frames come whole and in order: many in one piece, one in many, and larger than the buffer', () =>
  served(async (peer, received) => {
    const frames = [frame(0, 1), frame(5, 2), frame(100_000, 3), frame(3_000_000, 4), frame(1, 5)];
    const all = Buffer.concat(frames);
    peer.write(all);
    await until(() => received.length === frames.length);
    for (let at = 0; at < 20; at++) {
      peer.write(all.subarray(at, at + 1));
      await delay(1);
    }
    peer.write(all.subarray(20));
    await until(() => received.length === 2 * frames.length);
    for (const [n, bytes] of received.entries()) {
      assert(bytes.equals(frames[n % frames.length].subarray(4)), `frame ${n}`);
    }
  }));

test('a connection that the other side ends is told once', () =>
  served(async (peer, _received, reasons) => {
    peer.destroy();
    await until(() => reasons.length > 0);
    await delay(20);
    assert.equal(reasons.length, 1);
  }));
