import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../base/ports.ts';
import { SimulatedRandom } from '../runtime/simulated-random.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { defaultBudgetBytes, MemoryBudget } from './memory-budget.ts';
import type { Answer, RequestSink } from './server-connection.ts';
import { Server, SERVER_LIMITS, type ServerLimits } from './server.ts';

const CHUNK = 64 * 1024;

/** A client that sends frames and counts the bytes of the answers. */
class Client {
  readonly connection: Connection;
  received = 0;
  isClosed = false;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.onData = (chunk) => {
      this.received += chunk.length;
    };
    connection.onClose = () => {
      this.isClosed = true;
    };
  }

  send(sizeBytes: number): void {
    this.connection.write([frame(sizeBytes)]);
  }
}

function frame(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(4 + sizeBytes, 7);
  bytes.writeInt32BE(sizeBytes);
  return bytes;
}

interface World {
  readonly ports: SimulatedPorts;
  readonly server: Server<undefined>;
  readonly budget: MemoryBudget;
  /** The most that was held at any time when a request began. */
  readonly peak: { bytes: number };
  connect(): Promise<Client>;
}

const ACK = frame(4);

async function world(options: {
  readonly limitBytes: number;
  readonly seed?: number;
  readonly limits?: Partial<ServerLimits>;
  readonly handle?: (bytes: Buffer, ports: SimulatedPorts) => Answer | Promise<Answer>;
}): Promise<World> {
  const ports = simulatedPorts({ seed: options.seed ?? 1, host: 'broker' });
  const budget = new MemoryBudget({
    limitBytes: options.limitBytes,
    frameBytesMax: options.limits?.frameBytesMax ?? 1_000_000,
    soon: (callback) => ports.timers.soon(callback),
  });
  const peak = { bytes: 0 };
  const handle = options.handle ?? (() => [ACK]);
  const sink: RequestSink<undefined> = {
    handle(bytes) {
      peak.bytes = Math.max(peak.bytes, budget.usedBytes());
      return handle(bytes, ports);
    },
    mayOverlap: () => false,
    isRecyclable: () => false,
  };
  const limits = { ...SERVER_LIMITS, ...options.limits };
  const server = new Server<undefined>({ ports, sink, limits, budget });
  const listener = await server.listen({ host: 'localhost', port: 0 }, () => undefined);
  const network = ports.wires.port('client', ports.process);
  return {
    ports,
    server,
    budget,
    peak,
    connect: async () => new Client(await ports.time.settle(network.connect(ports.host, listener.port))),
  };
}

function later(ports: SimulatedPorts, delayMs: number, answer: Answer = [ACK]): Promise<Answer> {
  return new Promise((resolve) => ports.timers.after(delayMs, () => resolve(answer)));
}

test('the default is a quarter of the memory, within bounds', () => {
  const mib = 1024 ** 2;
  assert.equal(defaultBudgetBytes(100 * mib), 64 * mib);
  assert.equal(defaultBudgetBytes(512 * mib), 128 * mib);
  assert.equal(defaultBudgetBytes(2 ** 40), 256 * mib);
  assert.equal(defaultBudgetBytes(undefined), 256 * mib);
});

test('OV4, OV6: 32 connections with a frame each that fills most of the budget get through, one over it at most', async () => {
  const limitBytes = 1_000_000;
  const sizeBytes = 900_000;
  const { connect, ports, budget, peak } = await world({
    limitBytes,
    handle: (_bytes, simulated) => later(simulated, 20),
  });
  const clients: Client[] = [];
  for (let n = 0; n < 32; n++) clients.push(await connect());
  for (const client of clients) client.send(sizeBytes);
  let highest = 0;
  for (let n = 0; n < 2_000 && clients.some(({ received }) => received < ACK.length); n++) {
    await ports.time.advance(50);
    highest = Math.max(highest, budget.usedBytes());
  }
  assert.deepEqual(
    clients.map(({ received, isClosed }) => [received, isClosed]),
    clients.map(() => [ACK.length, false]),
  );
  highest = Math.max(highest, peak.bytes);
  assert.ok(highest > limitBytes / 2, `${highest}`);
  assert.ok(highest <= limitBytes * 1.5 + sizeBytes + 32 * CHUNK, `${highest}`);
  assert.equal(budget.usedBytes(), 0);
});

test('any frames on any connections get through any budget, which is never exceeded by more than one of them', async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SimulatedRandom(seed);
    const limitBytes = random.between(1, 400_000);
    const connections = random.between(1, 24);
    const frameMax = random.between(1, 500_000);
    const { connect, ports, budget, peak } = await world({
      limitBytes,
      seed,
      limits: {
        frameBytesMax: 500_000,
        requestsAheadMax: random.between(1, 10),
        bytesAheadMax: random.between(1, 300_000),
      },
      handle: (bytes, simulated) =>
        bytes.length % 3 === 0 ? [ACK] : later(simulated, bytes.length % 3 === 1 ? 3 : 700),
    });
    const clients: Client[] = [];
    const expected: number[] = [];
    for (let n = 0; n < connections; n++) {
      const client = await connect();
      const frames = random.between(1, 6);
      for (let one = 0; one < frames; one++) {
        client.send(random.between(1, random.integer(2) === 0 ? 200 : frameMax));
      }
      clients.push(client);
      expected.push(frames * ACK.length);
    }
    let highest = 0;
    const isDone = (): boolean => clients.every(({ received }, n) => received === expected[n]);
    for (let n = 0; n < 3_000 && !isDone(); n++) {
      await ports.time.advance(100);
      highest = Math.max(highest, budget.usedBytes());
    }
    const got = clients.map(({ received }) => received);
    assert.deepEqual(got, expected, `seed ${seed}`);
    assert.equal(budget.usedBytes(), 0, `seed ${seed}`);
    await ports.time.advance(10_000);
    assert.equal(budget.isShort(), false, `seed ${seed}`);
    const allowed = limitBytes * 1.5 + frameMax + connections * (CHUNK + 16 * 1024);
    assert.ok(
      Math.max(highest, peak.bytes) <= allowed,
      `seed ${seed}: ${highest}, ${peak.bytes} of ${allowed}`,
    );
  }
});

test('connections that vanish in the middle of frames, answers and waiting leave nothing in the budget', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SimulatedRandom(seed);
    const { connect, ports, budget, server } = await world({
      limitBytes: 200_000,
      seed,
      handle: (bytes, simulated) => later(simulated, bytes.length % 50, [Buffer.alloc(bytes.length)]),
    });
    const clients: Client[] = [];
    for (let n = 0; n < 12; n++) {
      const client = await connect();
      if (random.integer(3) === 0) client.connection.pause();
      for (let one = 0; one < 4; one++) client.send(random.between(1, 150_000));
      clients.push(client);
    }
    for (const client of clients) {
      await ports.time.advance(random.integer(30));
      client.connection.destroy();
    }
    await ports.time.advance(2_000);
    assert.equal(server.connectionCount(), 0);
    await ports.time.advance(10_000);
    assert.deepEqual(
      [budget.usedBytes(), budget.responseBytes(), budget.isShort()],
      [0, 0, false],
      `seed ${seed}`,
    );
  }
});

test('OV4: small requests are answered at once while large ones wait for memory', async () => {
  const { connect, ports, budget } = await world({
    limitBytes: 1_000_000,
    handle: (bytes, simulated) => (bytes.length < 1_000 ? [ACK] : later(simulated, 5_000)),
  });
  for (let n = 0; n < 16; n++) (await connect()).send(900_000);
  const heartbeat = await connect();
  for (let n = 1; n <= 20; n++) {
    heartbeat.send(100);
    await ports.time.advance(100);
    assert.equal(heartbeat.received, n * ACK.length);
  }
  assert.equal(budget.isShort(), true);
});

test('waiting connections are served in turn: none is last by more than the others together', async () => {
  const { connect, ports } = await world({
    limitBytes: 300_000,
    handle: (_bytes, simulated) => later(simulated, 10),
  });
  const clients: Client[] = [];
  for (let n = 0; n < 8; n++) {
    const client = await connect();
    for (let one = 0; one < 40; one++) client.send(250_000);
    clients.push(client);
  }
  await ports.time.advance(600);
  const answers = clients.map(({ received }) => received / ACK.length);
  assert.ok(Math.max(...answers) < 40, answers.join());
  assert.ok(Math.min(...answers) >= 1, answers.join());
  assert.ok(Math.max(...answers) <= 4 * Math.min(...answers), answers.join());
});

test('S09: frames that trickle in are dropped once others wait for their memory, and those get through', async () => {
  const { connect, ports, budget } = await world({
    limitBytes: 400_000,
    handle: (_bytes, simulated) => later(simulated, 2_000),
  });
  const hoarders: Client[] = [];
  for (let n = 0; n < 3; n++) {
    const client = await connect();
    client.connection.write([frame(900_000).subarray(0, 130_000)]);
    hoarders.push(client);
  }
  await ports.time.advance(60_000);
  assert.deepEqual(
    hoarders.map(({ isClosed }) => isClosed),
    [false, false, false],
  );
  const honest = [await connect(), await connect()];
  for (let n = 0; n < 20; n++) for (const client of honest) client.send(300_000);
  for (let n = 0; n < 240; n++) {
    for (const { connection } of hoarders) connection.write([Buffer.alloc(1)]);
    await ports.time.advance(1_000);
  }
  assert.deepEqual(
    hoarders.map(({ isClosed }) => isClosed),
    [true, true, true],
  );
  assert.deepEqual(
    honest.map(({ received }) => received),
    [20 * ACK.length, 20 * ACK.length],
  );
  assert.equal(budget.usedBytes(), 0);
});

test('S09: a frame costs what has arrived of it, not what it declares', async () => {
  const { connect, ports, budget } = await world({ limitBytes: 400_000 });
  const client = await connect();
  client.connection.write([frame(90_000_000).subarray(0, 1_000)]);
  await ports.time.advance(100);
  assert.equal(budget.usedBytes(), 1_000);
});

test('OV5: peers that do not read are dropped sooner when memory is short, however little they hold', async () => {
  const { connect, ports, server, budget } = await world({
    limitBytes: 500_000,
    handle: (bytes) => [Buffer.alloc(bytes.length < 1_000 ? 280_000 : 4)],
  });
  const readers: Client[] = [];
  for (let n = 0; n < 40; n++) {
    const client = await connect();
    client.connection.pause();
    client.send(100);
    readers.push(client);
  }
  await ports.time.advance(1_000);
  const producer = await connect();
  producer.send(200_000);
  await ports.time.advance(60_000);
  assert.equal(producer.received, 4);
  assert.equal(server.connectionCount(), 1);
  assert.equal(budget.usedBytes(), 0);
});

test('reads for answers share half of the budget, and there is always room for the first', () => {
  const budget = new MemoryBudget({ limitBytes: 1_000, frameBytesMax: 1_000, soon: () => {} });
  const first = budget.reserveResponse(10_000, 5_000)!;
  assert.equal(first.bytes, 5_000);
  assert.equal(budget.reserveResponse(10, 10), undefined);
  let woken = 0;
  budget.whenResponseRoom(() => (woken += 1));
  const forget = budget.whenResponseRoom(() => assert.fail('forgotten'));
  forget();
  first.release();
  first.release();
  assert.deepEqual([budget.usedBytes(), woken], [0, 1]);
  const sizes: number[] = [];
  for (;;) {
    const reservation = budget.reserveResponse(400, 50);
    if (reservation === undefined) break;
    sizes.push(reservation.bytes);
  }
  assert.deepEqual(sizes.slice(0, 4), [125, 93, 70, 53]);
  assert.ok(sizes.slice(4).every((size) => size === 50));
  assert.ok(budget.responseBytes() <= 1_000 && budget.responseBytes() > 950);
});
