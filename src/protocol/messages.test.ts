import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as offered from './messages.ts';

test('the package offers every request and response by its name', () => {
  const names = new Set(Object.keys(offered));
  const missing = offered.APIS.flatMap(({ request, response }) => [request.name, response.name]).filter(
    (name) => !names.has(name),
  );
  assert.deepEqual(missing, []);
});

test('a tool can write a batch, frame a request and read it back with what is offered', () => {
  const produce = offered.apiOf(offered.ProduceRequest.key)!;
  const records = offered.buildBatch({ records: [{ key: null, value: Buffer.from('hello') }] });
  const body = {
    transactionalId: null,
    acks: 1,
    timeoutMs: 1000,
    topicData: [{ name: 't', topicId: '\0'.repeat(16), partitionData: [{ index: 0, records }] }],
  };
  const version = produce.versionMin;
  const frame = Buffer.concat(
    offered.encodeRequest(produce, { version, correlationId: 1, clientId: 'tool', body }),
  ).subarray(4);
  assert.deepEqual(offered.decodeRequest(produce, version, frame), { clientId: 'tool', body });
});
