import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ZERO_UUID } from '../base/uuid.ts';
import { APIS, apiOf, requestHeaderVersion, responseHeaderVersion } from './apis.ts';
import { codec } from './compile.ts';
import { decodeRequest, decodeResponse, encodeRequest, encodeWholeResponse, peekPrefix } from './frame.ts';
import { RequestHeader } from './messages/header.ts';
import { ProtocolError, Writer } from './wire.ts';

const apiVersions = apiOf(18)!;
const metadata = apiOf(3)!;
const produce = apiOf(0)!;

const hex = (views: readonly Buffer[]): string => Buffer.concat(views).toString('hex');

test("headers are Kafka's bytes", () => {
  const header = (version: number, fields: { key: number; at: number; clientId: string | null }): string => {
    const writer = new Writer();
    codec(RequestHeader, version).write(writer, {
      requestApiKey: fields.key,
      requestApiVersion: fields.at,
      correlationId: 7,
      clientId: fields.clientId,
    });
    return writer.toBuffer().toString('hex');
  };
  assert.equal(header(1, { key: 3, at: 8, clientId: 'hr' }), '000300080000000700026872');
  assert.equal(header(2, { key: 18, at: 3, clientId: 'hr' }), '00120003000000070002687200');
  assert.equal(header(2, { key: 18, at: 3, clientId: null }), '0012000300000007ffff00');
});

test("bodies are Kafka's bytes", () => {
  const cases: [number, number, unknown, string][] = [
    [
      18,
      3,
      { clientSoftwareName: 'headrace', clientSoftwareVersion: '0.1.0' },
      '09686561647261636506302e312e3000',
    ],
    [
      3,
      12,
      {
        topics: [{ topicId: ZERO_UUID, name: 't' }],
        allowAutoTopicCreation: true,
        includeTopicAuthorizedOperations: false,
      },
      '0200000000000000000000000000000000027400010000',
    ],
    [
      68,
      1,
      {
        groupId: 'g',
        memberId: 'm',
        memberEpoch: 0,
        rebalanceTimeoutMs: 300_000,
        subscribedTopicNames: ['t'],
        topicPartitions: [],
      },
      '0267026d000000000000000493e002027400000100',
    ],
  ];
  for (const [key, version, body, expected] of cases) {
    const writer = new Writer();
    codec(apiOf(key)!.request, version).write(writer, body);
    assert.equal(writer.toBuffer().toString('hex'), expected);
  }
});

test('a request comes back from its frame', () => {
  const records = Buffer.alloc(5000, 9);
  const body = {
    transactionalId: 'x',
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: '', topicId: 'abcdefghijklmnop', partitionData: [{ index: 3, records }] }],
  };
  const views = encodeRequest(produce, { version: 13, correlationId: 99, clientId: 'me', body });
  assert(views.includes(records), 'records leave without being copied');
  const frame = Buffer.concat(views);
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  assert.deepEqual(peekPrefix(frame.subarray(4)), { apiKey: 0, apiVersion: 13, correlationId: 99 });
  assert.deepEqual(decodeRequest(produce, 13, frame.subarray(4)), { clientId: 'me', body });
});

test('a response comes back from its frame', () => {
  const body = { throttleTimeMs: 1, brokers: [], clusterId: null, controllerId: 4, topics: [], errorCode: 0 };
  const frame = encodeWholeResponse(metadata, 13, 1234, body);
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  const decoded = decodeResponse(metadata, 13, frame.subarray(4));
  assert.equal(decoded.correlationId, 1234);
  assert.deepEqual(decoded.body, { ...body, clusterAuthorizedOperations: -(2 ** 31) });
});

test('responses to ApiVersions never have a flexible header', () => {
  assert.equal(
    hex([
      encodeWholeResponse(apiVersions, 0, 7, {
        errorCode: 35,
        apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 5 }],
      }),
    ]),
    '0000001000000007002300000001001200000005',
  );
  for (const version of [0, 3, 5]) assert.equal(responseHeaderVersion(apiVersions, version), 0);
  assert.deepEqual(
    [2, 3].map((version) => requestHeaderVersion(apiVersions, version)),
    [1, 2],
  );
  assert.deepEqual(
    [8, 9].map((version) => responseHeaderVersion(metadata, version)),
    [0, 1],
  );
  assert.equal(requestHeaderVersion(apiOf(17)!, 1), 1);
});

test('a frame shorter than the fixed part of a header is refused', () => {
  for (let size = 0; size < 8; size++) assert.throws(() => peekPrefix(Buffer.alloc(size)), ProtocolError);
  assert.deepEqual(peekPrefix(Buffer.alloc(8, 0xff)), { apiKey: -1, apiVersion: -1, correlationId: -1 });
});

test('a header with twenty million tagged fields is refused at their count', () => {
  const frame = Buffer.alloc(40_000_020);
  Buffer.from('00120003000000070002687280dac409', 'hex').copy(frame);
  const before = process.memoryUsage().heapUsed;
  assert.throws(() => decodeRequest(apiVersions, 3, frame), /20000000 tagged fields/);
  assert(process.memoryUsage().heapUsed - before < 1_000_000);
});

test('the table has every key of Kafka 4.4 once, in order, and no unstable version', () => {
  const keys = APIS.map(({ key }) => key);
  assert.deepEqual(
    keys,
    [...new Set(keys)].sort((a, b) => a - b),
  );
  assert.equal(keys.length, 91);
  assert.equal(APIS.filter(({ isControllerOnly }) => isControllerOnly).length, 12);
  assert.equal(apiOf(22)!.versionMax, 5);
  assert.deepEqual([4, 5, 6, 7, 95, -1].map(apiOf), Array.from({ length: 6 }));
});
