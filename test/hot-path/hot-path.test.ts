/**
 * What a batch costs on its way in and out, counted and not timed: system calls, buffers, copies, bytes of heap. The limits
 * are what the path needs by its structure, so that one more write, copy or closure a record fails here at once.
 */
import assert from 'node:assert/strict';
import { beforeEach, test, type TestContext } from 'node:test';
import { startBroker, type Broker } from '../../src/broker/broker.ts';
import { fetchBody, produceBody } from '../../src/broker/test-client.ts';
import { apiOf } from '../../src/protocol/apis.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/frame.ts';
import { ProduceRequest } from '../../src/protocol/messages/00-produce.ts';
import { FetchRequest, type FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { CreateTopicsRequest } from '../../src/protocol/messages/19-create-topics.ts';
import { buildBatch } from '../../src/protocol/records.ts';
import type { Message } from '../../src/protocol/schema.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { memoryDisk } from '../../src/runtime/memory-disk.ts';
import { realPorts } from '../../src/runtime/ports.ts';
import { countingDisk, handmadeNetwork, heapBytes, noCounts, watchBuffers, type Wire } from './counters.ts';

const PARTITIONS = 4;
const RECORDS = 140;
const RECORD_BYTES = 100;
const VERSION = 12;
/** An index or two may have to grow meanwhile. */
const BUFFERS_MAX = 2 * PARTITIONS;
/** Rounds until the compiler has settled, and rounds that count. */
const WARM_ROUNDS = 1_000;
const ROUNDS = 100;
const HEAP_WINDOWS = 20;
const ALL_ROUNDS = WARM_ROUNDS + ROUNDS + HEAP_WINDOWS * ROUNDS;

const counts = noCounts();
let broker: Broker;
let wire: Wire;

async function start(
  t: TestContext,
  durability: 'relaxed' | 'fsync',
  regionBytesMin = Infinity,
): Promise<void> {
  const real = realPorts({ logger: silentLogger() });
  const { network, connect } = handmadeNetwork();
  const ports = {
    ...real,
    network,
    disk: countingDisk(memoryDisk({ clock: real.clock }), counts, regionBytesMin),
  };
  const configs = new Map([
    ['listeners', 'PLAINTEXT://127.0.0.1:9092'],
    ['log.dirs', '/data'],
    ['durability', durability],
  ]);
  broker = await startBroker({ ports, configs });
  t.after(() => broker.stop());
  wire = connect(counts);
  const topic = { name: 't', numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] };
  await ask(CreateTopicsRequest, 5, { topics: [topic], timeoutMs: 10_000, validateOnly: false });
  watchBuffers(t, counts);
}

function frameOf<Q, W>(request: Message<Q, W>, version: number, body: W): Buffer {
  const options = { version, correlationId: 1, clientId: 'counting', body };
  return Buffer.concat(encodeRequest(apiOf(request.key)!, options));
}

/** Sends a request and resolves with its answer. */
async function ask<Q, W>(request: Message<Q, W>, version: number, body: W): Promise<unknown> {
  wire.isKeeping = true;
  wire.onData(frameOf(request, version, body));
  while (wire.received.length === 0) await turn();
  await turn();
  const bytes = Buffer.concat(wire.received.splice(0));
  wire.isKeeping = false;
  return decodeResponse(apiOf(request.key)!, version, bytes.subarray(4)).body;
}

/** Requests with one batch for each partition, as many as `count`, as they lie in a chunk. */
function produceFrames(count: number, acks: number): Buffer {
  const records = Array.from({ length: RECORDS }, () => ({
    key: null,
    value: Buffer.alloc(RECORD_BYTES, 'x'),
    timestamp: Date.now(),
  }));
  const batch = buildBatch({ records });
  const partitions = Array.from({ length: PARTITIONS }, (_, index) => [index, batch] as const);
  const frame = frameOf(ProduceRequest, VERSION, produceBody('t', partitions, acks));
  return Buffer.concat(Array.from({ length: count }, () => frame));
}

/** Lets the broker go on. */
async function turn(): Promise<void> {
  assert.equal(wire.isDestroyed, false, 'the broker has closed the connection');
  await new Promise((resolve) => setImmediate(resolve));
}

function reset(): void {
  Object.assign(counts, noCounts());
}

/**
 * Bytes of heap that a round takes at best: what the compiler has not settled yet, or does on the side, is nothing that
 * the path needs.
 */
function heapOf(round: () => void): number {
  let best = Infinity;
  for (let window = 0; window < HEAP_WINDOWS; window++) {
    const before = heapBytes();
    for (let n = 0; n < ROUNDS; n++) round();
    best = Math.min(best, (heapBytes() - before) / ROUNDS);
  }
  return best;
}

beforeEach(reset);

test('a batch that is produced costs one write, no copy and no buffer; requests of a chunk are answered together', async (t) => {
  await start(t, 'relaxed');
  const requests = 3;
  const template = produceFrames(requests, -1);
  const chunk = Buffer.from(template);
  const round = (): void => {
    // Batches are patched where they lie.
    chunk.set(template);
    wire.onData(chunk);
  };
  for (let n = 0; n < WARM_ROUNDS; n++) round();
  reset();
  const before = wire.receivedBytes;
  for (let n = 0; n < ROUNDS; n++) round();
  assert.ok(wire.receivedBytes > before, 'there were answers');
  assert.equal(counts.logWrites, ROUNDS * requests * PARTITIONS);
  assert.equal(counts.connectionWrites, ROUNDS);
  assert.ok(counts.buffersMade <= BUFFERS_MAX, `${counts.buffersMade} buffers`);
  assert.equal(counts.bytesCopied, ROUNDS * template.length, 'only what the test itself copies');
  assert.equal(counts.logSyncs, 0);
  const perBatch = heapOf(round) / (requests * PARTITIONS);
  t.diagnostic(`${perBatch.toFixed(0)} bytes of heap a batch of ${RECORDS} records`);
  // Far less than one object for each record.
  assert.ok(perBatch < 5_000, `${perBatch} bytes of heap a batch`);
  await turn();
  assert.deepEqual(
    endOffsets(),
    Array.from({ length: PARTITIONS }, () => ALL_ROUNDS * requests * RECORDS),
  );
});

test('a request that comes in pieces is copied once, into a buffer used again', async (t) => {
  await start(t, 'relaxed');
  const template = produceFrames(1, 1);
  const chunk = Buffer.from(template);
  const pieces = 4;
  const step = Math.ceil(template.length / pieces);
  const round = (): void => {
    chunk.set(template);
    for (let at = 0; at < chunk.length; at += step) wire.onData(chunk.subarray(at, at + step));
  };
  for (let n = 0; n < WARM_ROUNDS; n++) round();
  reset();
  for (let n = 0; n < ROUNDS; n++) round();
  assert.equal(counts.logWrites, ROUNDS * PARTITIONS);
  assert.equal(counts.connectionWrites, ROUNDS);
  assert.ok(counts.buffersMade <= BUFFERS_MAX, `${counts.buffersMade} buffers`);
  // What the test itself copies, and once more, but for what a growing buffer had.
  assert.ok(counts.bytesCopied <= ROUNDS * template.length * 2.1, `${counts.bytesCopied} bytes copied`);
});

test('what is appended in one turn becomes durable by one sync of each file', async (t) => {
  await start(t, 'fsync');
  const requests = 3;
  const template = produceFrames(requests, -1);
  const chunk = Buffer.from(template);
  const round = async (): Promise<void> => {
    chunk.set(template);
    const before = wire.receivedBytes;
    wire.onData(chunk);
    while (wire.receivedBytes === before) await turn();
    await turn();
  };
  for (let n = 0; n < 20; n++) await round();
  reset();
  for (let n = 0; n < ROUNDS; n++) await round();
  assert.equal(counts.logWrites, ROUNDS * requests * PARTITIONS);
  assert.equal(counts.logSyncs, ROUNDS * PARTITIONS);
  // At most one for each request: they were committed together.
  assert.ok(counts.connectionWrites <= ROUNDS * requests, `${counts.connectionWrites} writes`);
});

/** The same batches fetched again and again; `check` looks at the counts of ROUNDS answers. */
async function fetchRounds(t: TestContext, regionBytesMin: number, check: () => void): Promise<void> {
  await start(t, 'relaxed', regionBytesMin);
  for (let n = 0; n < 40; n++) wire.onData(produceFrames(3, 1));
  const body = fetchBody('t', 0, { partitionMaxBytes: 256 * 1024 });
  const one = body.topics[0]!.partitions[0]!;
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ ...one, partition }));
  const frame = frameOf(FetchRequest, VERSION, { ...body, topics: [{ ...body.topics[0]!, partitions }] });
  const round = (): void => wire.onData(frame);
  for (let n = 0; n < WARM_ROUNDS; n++) round();
  reset();
  const before = wire.receivedBytes;
  for (let n = 0; n < ROUNDS; n++) round();
  const bytes = (wire.receivedBytes - before) / ROUNDS;
  assert.ok(bytes > PARTITIONS * 200 * 1024, `${bytes} bytes an answer`);
  assert.equal(counts.logReads, ROUNDS * PARTITIONS);
  assert.equal(counts.logReadsAsync, 0);
  assert.ok(counts.buffersMade <= BUFFERS_MAX, `${counts.buffersMade} buffers`);
  assert.ok(counts.bytesCopied <= ROUNDS * frame.length, 'nothing but the request');
  check();
  const perPartition = heapOf(round) / PARTITIONS;
  t.diagnostic(`${perPartition.toFixed(0)} bytes of heap a partition of 16 batches`);
  assert.ok(perPartition < 10_000, `${perPartition} bytes of heap a partition`);
  const { responses } = (await ask(FetchRequest, VERSION, {
    ...body,
    topics: [{ ...body.topics[0]!, partitions }],
  })) as FetchResponse;
  assert.equal(responses[0]!.partitions.length, PARTITIONS);
}

test('a partition that is fetched costs one read, no copy and no new buffer', async (t) => {
  await fetchRounds(t, Infinity, () => {
    assert.equal(counts.logReadBytes > ROUNDS * PARTITIONS * 200 * 1024, true);
    assert.equal(counts.regionsMade, 0);
    // A slice of half a MiB at most for each write.
    assert.ok(counts.connectionWrites <= ROUNDS * 3, `${counts.connectionWrites} writes`);
  });
});

test('a partition that is sent from its file costs one read of headers, and its region is let go', async (t) => {
  await fetchRounds(t, 16 * 1024, () => {
    assert.equal(counts.logReadBytes, ROUNDS * PARTITIONS * 8 * 1024);
    assert.equal(counts.regionsMade, ROUNDS * PARTITIONS);
    assert.equal(counts.regionsSent, ROUNDS * PARTITIONS);
    assert.equal(counts.regionsReleased, ROUNDS * PARTITIONS);
    // Nothing of it lies in memory: there is nothing to cut into slices.
    assert.equal(counts.connectionWrites, ROUNDS);
  });
});

function endOffsets(): number[] {
  const { services } = broker;
  return Array.from({ length: PARTITIONS }, (_, index) => services.partitions.get('t', index)!.highWatermark);
}
