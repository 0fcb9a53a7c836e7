import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../base/ports.ts';
import { SlabPool } from '../base/slab-pool.ts';
import { apiOf, type Api } from '../protocol/apis.ts';
import { Errors } from '../protocol/errors.ts';
import { decodeRequest, encodeWholeResponse, peekPrefix } from '../protocol/frame.ts';
import { FindCoordinatorRequest, FindCoordinatorResponse } from '../protocol/messages/10-find-coordinator.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import { simulatedPorts, type SimulatedPorts } from '../runtime/simulated-ports.ts';
import {
  CLIENT_LIMITS,
  ClientConnection,
  ClientConnectionError,
  type ClientLimits,
} from './client-connection.ts';
import { FrameCutter } from './frame-cutter.ts';

const PORT = 9092;
const TIMEOUT_MS = 1_000;

/** The server's end, by hand: it keeps the requests that came, and writes what a test says. */
class Peer {
  readonly connection: Connection;
  readonly requests: Buffer[] = [];
  isClosed = false;

  constructor(connection: Connection) {
    this.connection = connection;
    const cutter = new FrameCutter({ sizeBytesMax: 1 << 30 });
    connection.onData = (chunk) => {
      cutter.push(chunk);
      for (let frame = cutter.next(); frame !== undefined; frame = cutter.next()) {
        this.requests.push(Buffer.from(frame.bytes));
      }
    };
    connection.onClose = () => {
      this.isClosed = true;
    };
  }

  /** The key of request `index`, as it came. */
  keyOf(index: number): string {
    const { apiVersion } = peekPrefix(this.requests[index]!);
    const { body } = decodeRequest(FIND, apiVersion, this.requests[index]!);
    return (body as FindCoordinatorRequest).coordinatorKeys[0]!;
  }

  /** The answer to request `index`. */
  answer(index: number, options: { readonly idsAway?: number } = {}): Buffer {
    const { correlationId } = peekPrefix(this.requests[index]!);
    return encodeWholeResponse(FIND, 6, correlationId + (options.idsAway ?? 0), {
      throttleTimeMs: 0,
      coordinators: [
        { key: this.keyOf(index), nodeId: index, host: 'h', port: 1, errorCode: 0, errorMessage: null },
      ],
    });
  }
}

const FIND: Api = apiOf(FindCoordinatorRequest.key)!;

interface World {
  readonly ports: SimulatedPorts;
  readonly client: ClientConnection;
  readonly peer: Peer;
  readonly ends: (ClientConnectionError | undefined)[];
  /** Sends a question for this key. */
  ask(key: string, timeoutMs?: number): Promise<FindCoordinatorResponse>;
  /** Lets everything on its way arrive. */
  pass(ms?: number): Promise<void>;
}

async function world(limits: Partial<ClientLimits> = {}, slabs?: SlabPool): Promise<World> {
  const ports = simulatedPorts({ seed: 3, host: 'server' });
  const { time } = ports;
  const accepted = Promise.withResolvers<Peer>();
  await ports.network.listen({ host: 'server', port: PORT }, (one) => accepted.resolve(new Peer(one)));
  const network = ports.wires.port('client', ports.process);
  const ends: World['ends'] = [];
  const client = new ClientConnection({
    connection: await time.settle(network.connect('server', PORT)),
    timers: ports.timers,
    clientId: 'test',
    limits: { ...CLIENT_LIMITS, ...limits },
    slabs,
    onGone: (error) => ends.push(error),
  });
  const peer = await time.settle(accepted.promise);
  const pass = (ms = 20): Promise<void> =>
    time.settle(new Promise<void>((resolve) => ports.timers.after(ms, resolve)));
  const ask = (key: string, timeoutMs = TIMEOUT_MS): Promise<FindCoordinatorResponse> => {
    const answer = client.request({
      request: FindCoordinatorRequest,
      response: FindCoordinatorResponse,
      version: 6,
      body: { key: '', keyType: 0, coordinatorKeys: [key] },
      timeoutMs,
    });
    answer.catch(() => {});
    return answer;
  };
  return { ports, client, peer, ends, ask, pass };
}

const keyIn = (answer: FindCoordinatorResponse): string => answer.coordinators[0]!.key;

/** How a request failed. */
async function failureOf(answer: Promise<unknown>): Promise<string> {
  const error: unknown = await answer.then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ClientConnectionError, String(error));
  return error.failure;
}

test('requests leave before the answers come, and each gets its own', async () => {
  const { ask, pass, peer } = await world();
  const answers = [ask('a'), ask('b'), ask('c')];
  await pass();
  assert.deepEqual(
    [0, 1, 2].map((index) => peer.keyOf(index)),
    ['a', 'b', 'c'],
  );
  peer.connection.write([0, 1, 2].map((index) => peer.answer(index)));
  await pass();
  assert.deepEqual((await Promise.all(answers)).map(keyIn), ['a', 'b', 'c']);
});

test('answers may be cut anywhere', async () => {
  const { ask, pass, peer } = await world();
  const answers = [ask('first'), ask('second')];
  await pass();
  const bytes = Buffer.concat([peer.answer(0), peer.answer(1)]);
  for (let at = 0; at < bytes.length; at++) {
    peer.connection.write([bytes.subarray(at, at + 1)]);
    await pass(2);
  }
  assert.deepEqual((await Promise.all(answers)).map(keyIn), ['first', 'second']);
});

test('a connection that ends at any byte of an answer ends the request', async () => {
  const { length } = await answerBytes();
  for (let at = 0; at < length; at++) {
    const { ask, pass, peer, ends, client } = await world();
    const answer = ask('key');
    await pass();
    peer.connection.write([peer.answer(0).subarray(0, at)]);
    peer.connection.end();
    await pass();
    assert.equal(await failureOf(answer), 'closed', `after ${at} bytes`);
    assert.deepEqual([ends.length, client.isClosed], [1, true]);
    assert.equal(await failureOf(ask('later')), 'closed');
  }
});

async function answerBytes(): Promise<Buffer> {
  const { ask, pass, peer } = await world();
  void ask('key');
  await pass();
  return peer.answer(0);
}

test('an answer keeps its bytes when the connection uses the chunk again', async () => {
  const { ask, pass, peer } = await world();
  const first = ask('x'.repeat(100));
  await pass();
  peer.connection.write([peer.answer(0)]);
  await pass();
  const second = ask('y'.repeat(100));
  await pass();
  peer.connection.write([peer.answer(1)]);
  await pass();
  assert.deepEqual([keyIn(await first), keyIn(await second)], ['x'.repeat(100), 'y'.repeat(100)]);
});

test('a lent answer is seen before the request resolves, and its memory is used again', async () => {
  const slabs = new SlabPool({ keptBytesMax: 1024 * 1024 });
  const { ask, client, pass, peer } = await world({}, slabs);
  const key = 'k'.repeat(20_000);
  const seen: string[] = [];
  const lent = client.request({
    request: FindCoordinatorRequest,
    response: FindCoordinatorResponse,
    version: 6,
    body: { key: '', keyType: 0, coordinatorKeys: [key] },
    timeoutMs: TIMEOUT_MS,
    onAnswer: (answer) => {
      assert.equal(slabs.keptBytes(), 0);
      seen.push(keyIn(answer));
    },
  });
  void lent.then(() => seen.push('resolved'));
  const inParts = async (index: number): Promise<void> => {
    const bytes = peer.answer(index);
    peer.connection.write([bytes.subarray(0, 100)]);
    await pass();
    peer.connection.write([bytes.subarray(100)]);
    await pass();
  };
  await pass();
  await inParts(0);
  assert.deepEqual(seen, [key, 'resolved']);
  assert.ok(slabs.keptBytes() >= key.length);
  // One that nobody lends keeps its memory.
  const kept = slabs.keptBytes();
  const own = ask(key);
  await pass();
  await inParts(1);
  assert.equal(keyIn(await own), key);
  assert.ok(slabs.keptBytes() < kept);
});

test('what is thrown at a lent answer rejects its request alone', async () => {
  const { ask, client, pass, peer } = await world();
  const fault = new Error('no');
  const lent = client.request({
    request: FindCoordinatorRequest,
    response: FindCoordinatorResponse,
    version: 6,
    body: { key: '', keyType: 0, coordinatorKeys: ['a'] },
    timeoutMs: TIMEOUT_MS,
    onAnswer: () => {
      throw fault;
    },
  });
  const other = ask('b');
  await pass();
  peer.connection.write([peer.answer(0), peer.answer(1)]);
  const failed = assert.rejects(lent, fault);
  await pass();
  await failed;
  assert.equal(keyIn(await other), 'b');
});

test('an answer with a foreign correlation id, or to nothing, or cut short, ends the connection', async () => {
  const lies: ((peer: Peer) => Buffer)[] = [
    (peer) => peer.answer(0, { idsAway: 1 }),
    (peer) => peer.answer(1),
    () => Buffer.from([0, 0, 0, 1, 7]),
    (peer) => {
      // The size says less than the message needs.
      const bytes = peer.answer(0);
      bytes.writeInt32BE(8);
      return bytes.subarray(0, 12);
    },
  ];
  for (const lie of lies) {
    const { ask, pass, peer, ends } = await world();
    const answers = [ask('a'), ask('b')];
    await pass();
    peer.connection.write([lie(peer)]);
    await pass();
    for (const answer of answers) assert.equal(await failureOf(answer), 'invalid');
    assert.equal(ends[0]!.failure, 'invalid');
    assert.equal(peer.isClosed, true);
  }
  const idle = await world();
  idle.peer.connection.write([Buffer.from([0, 0, 0, 4, 0, 0, 0, 0])]);
  await idle.pass();
  assert.equal(idle.ends[0]!.failure, 'invalid');
});

test('an answer that announces more than is allowed ends the connection at its size', async () => {
  for (const size of [1025, 0, -1, 2 ** 31 - 1]) {
    const { ask, pass, peer } = await world({ answerBytesMax: 1024 });
    const answer = ask('a');
    await pass();
    const announced = Buffer.alloc(4);
    announced.writeInt32BE(size);
    peer.connection.write([announced]);
    await pass();
    assert.equal(await failureOf(answer), 'invalid', String(size));
  }
});

test('a request that is not answered in time ends the connection, and those behind it', async () => {
  const { ask, pass, peer } = await world();
  const slow = ask('slow', 500);
  const other = ask('other', 10_000);
  await pass(400);
  assert.equal(peer.isClosed, false);
  await pass(200);
  assert.deepEqual([await failureOf(slow), await failureOf(other)], ['timedOut', 'timedOut']);
  assert.equal(peer.isClosed, true);
});

test('a late answer within the time is as good as any, and its timer is gone', async () => {
  const { ask, pass, peer, client } = await world();
  const answer = ask('late', 500);
  await pass(400);
  peer.connection.write([peer.answer(0)]);
  await pass(2_000);
  assert.equal(keyIn(await answer), 'late');
  assert.equal(client.isClosed, false);
});

test('end waits for what is under way and takes nothing more', async () => {
  const { ask, pass, peer, client, ends } = await world();
  const answer = ask('a');
  await pass();
  client.end();
  assert.equal(await failureOf(ask('b')), 'closed');
  await pass();
  assert.equal(peer.isClosed, false);
  peer.connection.write([peer.answer(0)]);
  await pass();
  assert.equal(keyIn(await answer), 'a');
  assert.deepEqual([peer.isClosed, ends], [true, [undefined]]);
});

test('destroy rejects what is under way', async () => {
  const { ask, pass, client, ends } = await world();
  const answer = ask('a');
  client.destroy();
  assert.equal(await failureOf(answer), 'closed');
  await pass();
  assert.equal(ends.length, 1);
});

test('a peer that does not read holds up requests, and then they are refused', async () => {
  const { ask, pass, peer } = await world({ waitingBytesMax: 1024 * 1024 });
  peer.connection.pause();
  const large = 'k'.repeat(30_000);
  const answers: Promise<FindCoordinatorResponse>[] = [];
  let refused: string | undefined;
  for (let count = 0; count < 100 && refused === undefined; count++) {
    const answer = ask(large, 60_000);
    const busy = await Promise.race([failureOf(answer), pass(1).then(() => undefined)]);
    if (busy === undefined) answers.push(answer);
    else refused = busy;
  }
  assert.equal(refused, 'busy');
  // What the network holds (320 KiB), and a mebibyte that waits.
  assert.ok(answers.length > 35 && answers.length < 60, `${answers.length} under way`);
  peer.connection.resume();
  await pass(1_000);
  assert.equal(peer.requests.length, answers.length);
  for (let index = 0; index < answers.length; index++) peer.connection.write([peer.answer(index)]);
  await pass(1_000);
  assert.equal((await Promise.all(answers)).length, answers.length);
});

test('no more requests are under way than the limit says', async () => {
  const { ask } = await world({ requestsMax: 2 });
  void ask('a');
  void ask('b');
  assert.equal(await failureOf(ask('c')), 'busy');
});

test('a peer that does not know the version of ApiVersions is understood', async () => {
  const { client, pass, peer } = await world();
  const answer = client.request({
    request: ApiVersionsRequest,
    response: ApiVersionsResponse,
    version: 5,
    body: { clientSoftwareName: 'headrace', clientSoftwareVersion: '1' },
    timeoutMs: TIMEOUT_MS,
  });
  await pass();
  const { correlationId } = peekPrefix(peer.requests[0]!);
  const apiKeys = [{ apiKey: 18, minVersion: 0, maxVersion: 3 }];
  const body = { errorCode: Errors.UNSUPPORTED_VERSION, apiKeys, throttleTimeMs: 0 };
  peer.connection.write([encodeWholeResponse(apiOf(18)!, 0, correlationId, body)]);
  await pass();
  assert.deepEqual((await answer).apiKeys, apiKeys);
});
