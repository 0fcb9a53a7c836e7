import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APIS, apiOf } from '../protocol/apis.ts';
import { codec } from '../protocol/compile.ts';
import { Errors } from '../protocol/errors.ts';
import { encodeRequest } from '../protocol/frame.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import { ends, type AnyType } from '../protocol/schema.ts';
import { Reader, Writer } from '../protocol/wire.ts';
import { AUTHORIZATION } from './authorization.ts';
import { ConfigurationError, startBroker } from './broker.ts';
import { errorResponse } from './error-response.ts';
import { HANDLERS } from './handlers.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { testWorld } from './test-client.ts';

const SOFTWARE = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' };

test('item 2: JoinGroup is advertised from 0 to 9, so static membership (5 and later) is open to clients', async () => {
  const { client } = await testWorld();
  const { apiKeys } = await client.request(ApiVersionsRequest, ApiVersionsResponse, 3, SOFTWARE);
  const joinGroup = apiKeys.find(({ apiKey }) => apiKey === 11);
  assert.deepEqual(joinGroup, { apiKey: 11, minVersion: 0, maxVersion: 9 });
});

test('item 1: ApiVersions advertises what has a handler, Produce from 0, and neither 71 nor 72', async () => {
  const { client, world } = await testWorld();
  for (let version = 0; version <= 5; version++) {
    const answer = await client.request(ApiVersionsRequest, ApiVersionsResponse, version, SOFTWARE);
    assert.equal(answer.errorCode, Errors.NONE);
    const ranges = new Map(answer.apiKeys.map((range) => [range.apiKey, range]));
    assert.equal(ranges.size, HANDLERS.filter((one) => !one.api.isControllerOnly).length);
    assert.equal(ranges.get(0)!.minVersion, 0);
    assert.equal(ranges.get(0)!.maxVersion, 13);
    assert.equal(ranges.get(22)?.maxVersion ?? 5, 5);
    assert.equal(ranges.has(71) || ranges.has(72), false);
    for (const [key, { minVersion, maxVersion }] of ranges) {
      const api = apiOf(key)!;
      const { min } = ends(api.request.versions);
      assert.deepEqual([key === 0 ? 3 : minVersion, maxVersion], [min, api.versionMax]);
    }
    for (const { minVersion } of answer.supportedFeatures) assert.ok(version >= 4 || minVersion > 0);
  }
  await world.stop();
});

test('S07: ApiVersions in a version to come is answered in version 0 with its range, and the connection goes on', async () => {
  const { client, world } = await testWorld();
  const request = encodeRequest(apiOf(18)!, {
    version: 3,
    correlationId: 99,
    clientId: 'new',
    body: SOFTWARE,
  });
  const bytes = Buffer.concat(request);
  bytes.writeInt16BE(77, 6);
  const frames: Buffer[] = [];
  const { onData } = client.connection;
  client.connection.onData = (chunk) => frames.push(Buffer.from(chunk));
  client.connection.write([bytes]);
  await world.ports.time.advance(10);
  const answer = Buffer.concat(frames);
  assert.equal(answer.readInt32BE(4), 99);
  const body = codec(ApiVersionsResponse, 0).read(new Reader(answer, 8));
  assert.equal(body.errorCode, Errors.UNSUPPORTED_VERSION);
  assert.deepEqual(body.apiKeys, [{ apiKey: 18, minVersion: 0, maxVersion: 5 }]);
  client.connection.onData = onData;
  assert.equal(
    (await client.request(ApiVersionsRequest, ApiVersionsResponse, 3, SOFTWARE)).errorCode,
    Errors.NONE,
  );
  await world.stop();
});

test('S07: other unknown keys and versions, and what cannot be read, end the connection and no other', async () => {
  const { client, world } = await testWorld();
  const header = (key: number, version: number): Buffer => {
    const bytes = Buffer.alloc(4 + 8 + 2);
    bytes.writeInt32BE(10, 0);
    bytes.writeInt16BE(key, 4);
    bytes.writeInt16BE(version, 6);
    bytes.writeInt16BE(-1, 12);
    return bytes;
  };
  const short = Buffer.from([0, 0, 0, 3, 1, 2, 3]);
  for (const bytes of [
    header(999, 0),
    header(-1, 0),
    header(52, 0),
    header(0, 2),
    header(1, 99),
    header(3, -1),
    header(1, 12),
    short,
  ]) {
    const other = await world.connect();
    other.connection.write([bytes]);
    await world.ports.time.advance(10);
    assert.equal(other.isClosed, true, bytes.toString('hex'));
  }
  assert.equal(
    (await client.request(ApiVersionsRequest, ApiVersionsResponse, 3, SOFTWARE)).errorCode,
    Errors.NONE,
  );
  await world.stop();
});

test('item 3: software names are checked and remembered', async () => {
  const { client, world } = await testWorld();
  const ask = (name: string, version: string) =>
    client.request(ApiVersionsRequest, ApiVersionsResponse, 3, {
      clientSoftwareName: name,
      clientSoftwareVersion: version,
    });
  for (const [name, version] of [
    ['', '1'],
    ['-a', '1'],
    ['a-', '1'],
    ['a b', '1'],
    ['a', ''],
    ['a\n', '1'],
  ] as const) {
    assert.equal(
      (await ask(name, version)).errorCode,
      Errors.INVALID_REQUEST,
      JSON.stringify([name, version]),
    );
  }
  assert.equal((await ask('apache-kafka.java', '4.4.0')).errorCode, Errors.NONE);
  await world.stop();
});

test('KIP-1242: a client that means another cluster or broker is told to bootstrap again', async () => {
  const { client, world } = await testWorld();
  const ask = (clusterId: string | null, nodeId: number) =>
    client.request(ApiVersionsRequest, ApiVersionsResponse, 5, { ...SOFTWARE, clusterId, nodeId });
  const { clusterId } = world.broker.services.image;
  assert.equal((await ask(null, -1)).errorCode, Errors.NONE);
  assert.equal((await ask(clusterId, 1)).errorCode, Errors.NONE);
  assert.equal((await ask('other', 1)).errorCode, Errors.REBOOTSTRAP_REQUIRED);
  assert.equal((await ask(clusterId, 2)).errorCode, Errors.REBOOTSTRAP_REQUIRED);
  await world.stop();
});

test('every API of the broker listener has a row of authorization', () => {
  for (const api of APIS) {
    if (!api.isControllerOnly) assert.notEqual(AUTHORIZATION[api.key], undefined, api.name);
  }
});

/** A value with one element in every array. */
function sample(type: AnyType): unknown {
  if (type.kind === 'array') return [sample(type.of!)];
  if (type.kind === 'string') return 'sample';
  if (type.kind !== 'struct') return type.zero;
  return Object.fromEntries(Object.entries(type.fields!).map(([name, field]) => [name, sample(field)]));
}

const ERROR_CODE = /^(errorCode|acknowledgeErrorCode|partitionErrorCode)$/;

function errorCodes(value: unknown): number[] {
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    ERROR_CODE.test(name) ? [member as number] : errorCodes(member),
  );
}

test('every handler that throws gives an answer with the error in it, in every version', () => {
  for (const { api } of HANDLERS) {
    for (let version = api.versionMin; version <= api.versionMax; version++) {
      const writer = new Writer(4096);
      codec(api.request, version).write(writer, sample(api.request));
      const request = codec(api.request, version).read(new Reader(writer.toBuffer()));
      const failure = { code: Errors.UNKNOWN_SERVER_ERROR, message: null };
      const answer = new Writer(4096);
      codec(api.response, version).write(answer, errorResponse(api, version, request, failure));
      const decoded = codec(api.response, version).read(new Reader(answer.toBuffer()));
      const found = errorCodes(decoded).includes(Errors.UNKNOWN_SERVER_ERROR);
      // DescribeLogDirs has a place for an error of the whole request from version 3 on.
      assert.ok(
        found || (api.key === 35 && version < 3),
        `${api.name} ${version}: ${JSON.stringify(decoded)}`,
      );
    }
  }
});

test('S11: a handler that throws answers UNKNOWN_SERVER_ERROR and the connection goes on', async () => {
  const { client, world } = await testWorld();
  await client.createTopic('t');
  const partition = world.broker.services.partitions.get('t', 0)!;
  partition.check = () => {
    throw new Error('a fault of ours');
  };
  assert.equal((await client.listOffset('t', -1)).errorCode, Errors.UNKNOWN_SERVER_ERROR);
  assert.equal((await client.fetch('t', 0)).errorCode, Errors.UNKNOWN_SERVER_ERROR);
  assert.equal((await client.listOffset('nowhere', -1)).errorCode, Errors.UNKNOWN_TOPIC_OR_PARTITION);
  await world.stop();
});

test('a listener beyond loopback, or with a protocol there is not, stops the start with the way out', async () => {
  const start = (listeners: string, more: Record<string, string> = {}) =>
    startBroker({
      ports: simulatedPorts({ seed: 1 }),
      configs: new Map(Object.entries({ listeners, ...more })),
    });
  for (const listeners of [
    'PLAINTEXT://0.0.0.0:9092',
    'PLAINTEXT://192.168.1.5:9092',
    'PLAINTEXT://example:9092',
  ]) {
    const advertised = { 'advertised.listeners': 'PLAINTEXT://example:9092' };
    await assert.rejects(start(listeners, advertised), (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /listeners: .*allow\.insecure\.listeners=true/);
      return true;
    });
  }
  await assert.rejects(start('SASL_PLAINTEXT://127.0.0.1:9092'), /SASL_PLAINTEXT/);
});

test('every byte of a request may be the last that arrives', async () => {
  const { client, world } = await testWorld();
  const body = { ...SOFTWARE };
  const bytes = Buffer.concat(
    encodeRequest(apiOf(18)!, { version: 3, correlationId: 1, clientId: 'x', body }),
  );
  for (let at = 0; at < bytes.length; at++) {
    const other = await world.connect();
    other.connection.write([bytes.subarray(0, at)]);
    other.connection.end();
    await world.ports.time.advance(2);
  }
  assert.equal(
    (await client.request(ApiVersionsRequest, ApiVersionsResponse, 3, SOFTWARE)).errorCode,
    Errors.NONE,
  );
  await world.stop();
});
