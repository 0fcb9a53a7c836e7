import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../base/ports.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import { CLOSE, type Answer, type Peer, type RequestSink } from './server-connection.ts';
import { Server, SERVER_LIMITS, type ServerLimits } from './server.ts';

type State = { listener: string };

/** A client's end of a connection that collects what arrives. */
class Client {
  readonly connection: Connection;
  readonly chunks: Buffer[] = [];
  isClosed = false;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.onData = (chunk) => {
      this.chunks.push(Buffer.from(chunk));
    };
    connection.onClose = () => {
      this.isClosed = true;
    };
  }

  send(...texts: readonly string[]): void {
    this.connection.write(texts.map(frame));
  }

  /** The bodies of the whole frames that arrived. */
  answers(): string[] {
    const received = Buffer.concat(this.chunks);
    const answers: string[] = [];
    for (let at = 0; at + 4 <= received.length;) {
      const size = received.readInt32BE(at);
      if (at + 4 + size > received.length) break;
      answers.push(received.toString('latin1', at + 4, at + 4 + size));
      at += 4 + size;
    }
    return answers;
  }
}

function frame(text: string): Buffer {
  const body = Buffer.from(text, 'latin1');
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

interface World {
  readonly ports: SimulatedPorts;
  readonly server: Server<State>;
  readonly port: number;
  connect(): Promise<Client>;
}

/** A server whose sink is a function from text to answer; requests that begin with `o` may overlap. */
async function world(
  handle: (text: string, peer: Peer<State>) => Answer | Promise<Answer>,
  limits: Partial<ServerLimits> = {},
): Promise<World> {
  const ports = simulatedPorts({ seed: 1, host: 'broker' });
  const sink: RequestSink<State> = {
    handle: (bytes, peer) => handle(bytes.toString('latin1'), peer),
    mayOverlap: (bytes) => bytes[0] === 'o'.charCodeAt(0),
    isRecyclable: () => true,
  };
  const server = new Server<State>({ ports, sink, limits: { ...SERVER_LIMITS, ...limits } });
  const listener = await server.listen({ host: 'localhost', port: 0 }, () => ({ listener: 'PLAINTEXT' }));
  const network = ports.wires.port('client', ports.process);
  return {
    ports,
    server,
    port: listener.port,
    connect: async () => new Client(await ports.time.settle(network.connect(ports.host, listener.port))),
  };
}

const echo = (text: string): Answer => [frame(text)];

test('answers come back in the order of the requests', async () => {
  const { connect, ports } = await world(echo);
  const client = await connect();
  client.send('a', 'b', 'c');
  await ports.time.advance(10);
  assert.deepEqual(client.answers(), ['a', 'b', 'c']);
});

test('S11: a request waits for the one before it, and answers keep their order when one takes long', async () => {
  const slow = Promise.withResolvers<Answer>();
  const begun: string[] = [];
  const { connect, ports } = await world((text) => {
    begun.push(text);
    return text === 'slow' ? slow.promise : [frame(text)];
  });
  const client = await connect();
  client.send('slow', 'next', 'last');
  await ports.time.advance(100);
  assert.deepEqual(begun, ['slow']);
  assert.deepEqual(client.answers(), []);
  slow.resolve([frame('slow')]);
  await ports.time.advance(10);
  assert.deepEqual(client.answers(), ['slow', 'next', 'last']);
});

test('requests that may overlap begin at once and are still answered in order', async () => {
  const waiting = new Map<string, (answer: Answer) => void>();
  const { connect, ports } = await world(
    (text) => new Promise<Answer>((resolve) => waiting.set(text, resolve)),
  );
  const client = await connect();
  client.send('o1', 'o2', 'o3', 'x', 'o4');
  await ports.time.advance(10);
  assert.deepEqual([...waiting.keys()], ['o1', 'o2', 'o3']);
  waiting.get('o3')!([frame('3')]);
  waiting.get('o2')!([frame('2')]);
  await ports.time.advance(10);
  assert.deepEqual(client.answers(), []);
  waiting.get('o1')!([frame('1')]);
  await ports.time.advance(10);
  assert.deepEqual(client.answers(), ['1', '2', '3']);
  assert.deepEqual([...waiting.keys()], ['o1', 'o2', 'o3', 'x']);
});

test('a request without a response sends nothing and does not hold up the next', async () => {
  const { connect, ports } = await world((text) => (text === 'silent' ? undefined : [frame(text)]));
  const client = await connect();
  client.send('silent', 'loud');
  await ports.time.advance(10);
  assert.deepEqual(client.answers(), ['loud']);
});

test('CLOSE ends the connection after the answers before it', async () => {
  const { connect, ports, server } = await world((text) => (text === 'end' ? CLOSE : [frame(text)]));
  const client = await connect();
  client.send('a', 'end', 'b');
  await ports.time.advance(10);
  assert.deepEqual(client.answers(), ['a']);
  assert.equal(client.isClosed, true);
  assert.equal(server.connectionCount(), 0);
});

test('a sink that throws, or rejects, ends its connection and no other', async () => {
  const { connect, ports } = await world((text) => {
    if (text === 'throw') throw new Error('cannot read');
    return text === 'reject' ? Promise.reject(new Error('cannot read')) : [frame(text)];
  });
  const [one, two, three] = [await connect(), await connect(), await connect()];
  one.send('throw');
  two.send('reject');
  three.send('fine');
  await ports.time.advance(10);
  assert.deepEqual([one.isClosed, two.isClosed, three.isClosed], [true, true, false]);
  assert.deepEqual(three.answers(), ['fine']);
});

test('S01: a size out of bounds closes the connection', async () => {
  const { connect, ports } = await world(echo, { frameBytesMax: 1000 });
  for (const size of [-1, 0, 1001, 2 ** 31 - 1]) {
    const client = await connect();
    const header = Buffer.alloc(4);
    header.writeInt32BE(size);
    client.connection.write([header]);
    await ports.time.advance(10);
    assert.equal(client.isClosed, true, String(size));
  }
});

test('S08: of 10 000 pipelined requests whose answers nobody reads only a bounded part is taken', async () => {
  let begun = 0;
  const answer = [frame('x'.repeat(2000))];
  const { connect, ports } = await world(() => {
    begun += 1;
    return answer;
  });
  const client = await connect();
  client.connection.pause();
  for (let n = 0; n < 10_000; n++) client.send('request');
  await ports.time.advance(1000);
  assert.ok(begun < 1_000, `${begun} requests begun`);
  client.connection.resume();
  await ports.time.advance(10_000);
  assert.equal(begun, 10_000);
  assert.equal(client.answers().length, 10_000);
});

test('S08: a peer that sends while its first request waits is no longer read past the limits', async () => {
  const slow = Promise.withResolvers<Answer>();
  let peer: Peer<State> | undefined;
  const { connect, ports } = await world(
    (text, from) => {
      peer = from;
      return text === 'slow' ? slow.promise : [frame(text)];
    },
    { requestsAheadMax: 10, bytesAheadMax: 1_000_000 },
  );
  const client = await connect();
  client.send('slow');
  for (let n = 0; n < 500; n++) client.send(`r${n}`);
  await ports.time.advance(100);
  assert.equal((peer as unknown as { requestsAhead(): number }).requestsAhead(), 10);
  slow.resolve([frame('slow')]);
  await ports.time.advance(100);
  assert.equal(client.answers().length, 501);
});

test('S09: a client that sends one byte a second is closed when it has completed no request for the idle time', async () => {
  const { connect, ports } = await world(echo, { idleMsMax: 60_000 });
  const client = await connect();
  const bytes = frame('x'.repeat(500));
  for (let n = 0; n < 80 && !client.isClosed; n++) {
    client.connection.write([bytes.subarray(n, n + 1)]);
    await ports.time.advance(1_000);
  }
  assert.equal(client.isClosed, true);
});

test('S10: idle connections are closed, those with a request under way are not', async () => {
  const { connect, ports, server } = await world(
    (text) => (text === 'poll' ? new Promise<Answer>(() => {}) : [frame(text)]),
    { idleMsMax: 60_000 },
  );
  const [idle, busy, active] = [await connect(), await connect(), await connect()];
  busy.send('poll');
  for (let n = 0; n < 20; n++) {
    active.send('still here');
    await ports.time.advance(5_000);
  }
  assert.deepEqual([idle.isClosed, busy.isClosed, active.isClosed], [true, false, false]);
  assert.equal(server.connectionCount(), 2);
});

test('S10: a peer that takes none of its answers for 30 s is dropped', async () => {
  const { connect, ports, server } = await world(() => [Buffer.alloc(2_000_000)]);
  const client = await connect();
  client.connection.pause();
  client.send('big');
  await ports.time.advance(29_000);
  assert.equal(server.connectionCount(), 1);
  await ports.time.advance(25_000);
  assert.equal(server.connectionCount(), 0);
});

test('more connections than allowed, in all or from one host, are refused', async () => {
  const overrides = new Map<string, number>();
  const perHost = await world(echo, { connectionsPerHostMax: 2, connectionsPerHostOverrides: overrides });
  const clients = [await perHost.connect(), await perHost.connect(), await perHost.connect()];
  await perHost.ports.time.advance(10);
  assert.deepEqual(
    clients.map(({ isClosed }) => isClosed),
    [false, false, true],
  );
  clients[0]!.connection.destroy();
  await perHost.ports.time.advance(10);
  const next = await perHost.connect();
  next.send('welcome');
  await perHost.ports.time.advance(10);
  assert.deepEqual(next.answers(), ['welcome']);
  const total = await world(echo, { connectionsMax: 1, connectionsPerHostOverrides: overrides });
  const [first, second] = [await total.connect(), await total.connect()];
  await total.ports.time.advance(10);
  assert.deepEqual([first.isClosed, second.isClosed], [false, true]);
});

test('a request split at every byte is understood', async () => {
  const { connect, ports } = await world(echo);
  const client = await connect();
  const bytes = Buffer.concat([frame('hello'), frame('world')]);
  for (let at = 1; at < bytes.length; at++) {
    client.connection.write([bytes.subarray(0, at)]);
    await ports.time.advance(1);
    client.connection.write([bytes.subarray(at)]);
    await ports.time.advance(1);
  }
  await ports.time.advance(10);
  assert.deepEqual(
    client.answers(),
    Array.from({ length: bytes.length - 1 }, () => ['hello', 'world']).flat(),
  );
});

test('a connection closed at every byte of a request leaves nothing behind', async () => {
  const { connect, ports, server } = await world(echo);
  const bytes = frame('hello');
  for (let at = 0; at <= bytes.length; at++) {
    const client = await connect();
    client.connection.write([bytes.subarray(0, at)]);
    client.connection.end();
    await ports.time.advance(5);
  }
  assert.equal(server.connectionCount(), 0);
});

test('those who asked are told when the connection has gone', async () => {
  const gone: string[] = [];
  const { connect, ports } = await world((text, peer) => {
    const forget = peer.onGone(() => gone.push(text));
    if (text === 'forget') forget();
    return new Promise<Answer>(() => {});
  });
  const [one, two] = [await connect(), await connect()];
  one.send('tell me');
  two.send('forget');
  await ports.time.advance(10);
  one.connection.destroy();
  two.connection.destroy();
  await ports.time.advance(10);
  assert.deepEqual(gone, ['tell me']);
});

test('stop lets requests that have begun finish, begins no other and closes everything', async () => {
  const slow = Promise.withResolvers<Answer>();
  const begun: string[] = [];
  const { connect, ports, server } = await world((text) => {
    begun.push(text);
    return text === 'slow' ? slow.promise : [frame(text)];
  });
  const [busy, idle] = [await connect(), await connect()];
  busy.send('slow', 'never');
  await ports.time.advance(10);
  const stopped = server.stop(5_000);
  await ports.time.advance(100);
  assert.deepEqual([busy.isClosed, idle.isClosed], [false, true]);
  slow.resolve([frame('slow')]);
  await ports.time.settle(stopped);
  await ports.time.advance(10);
  assert.deepEqual(busy.answers(), ['slow']);
  assert.deepEqual(begun, ['slow']);
  assert.equal(server.connectionCount(), 0);
});

test('stop ends what does not finish within its grace', async () => {
  const { connect, ports, server } = await world(() => new Promise<Answer>(() => {}));
  const client = await connect();
  client.send('for ever');
  await ports.time.advance(10);
  await ports.time.settle(server.stop(1_000));
  assert.equal(server.connectionCount(), 0);
});

test('a large answer leaves in slices as the peer takes them, and a slow peer that goes on reading is kept', async () => {
  const big = Buffer.alloc(20_000_000, 'x');
  const { connect, ports, server } = await world(() => [big]);
  const client = await connect();
  client.send('big');
  let received = 0;
  client.connection.onData = (chunk) => {
    received += chunk.length;
    client.connection.pause();
  };
  for (let n = 0; n < 200; n++) {
    await ports.time.advance(1_000);
    client.connection.resume();
    assert.equal(server.connectionCount(), 1);
  }
  assert.ok(received > 1_000_000 && received < 20_000_000, String(received));
  client.connection.onData = (chunk) => {
    received += chunk.length;
  };
  client.connection.resume();
  await ports.time.advance(5_000);
  assert.equal(received, 20_000_000);
});

test('the last answer before a close arrives whole', async () => {
  const big = Buffer.alloc(5_000_000, 'x');
  const { connect, ports } = await world((text) => (text === 'end' ? CLOSE : [big]));
  const client = await connect();
  client.send('big', 'end');
  await ports.time.advance(5_000);
  assert.equal(client.isClosed, true);
  assert.equal(
    client.chunks.reduce((size, { length }) => size + length, 0),
    5_000_000,
  );
});
