import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, clusterImage, effects, idOf } from '../../../test/cluster-images.ts';
import { Errors } from '../../protocol/errors.ts';
import { ClusterImage } from '../image.ts';
import { allocateProducerIds } from './producer-ids.ts';
import {
  claimController,
  createCluster,
  evictBroker,
  registerBroker,
  resignController,
  unregisterBroker,
} from './registration.ts';

const SECRET = Buffer.alloc(32, 1);
const registration = {
  nodeId: 5,
  incarnationId: idOf('life'),
  rack: 'r1',
  endpoints: [{ listener: 'PLAINTEXT', host: 'h', port: 1, securityProtocol: 'PLAINTEXT' }],
  directories: [idOf('dir')],
};

test('item 51: a cluster keeps the id it was made with', () => {
  const image = new ClusterImage();
  after(image, createCluster(image, { clusterId: 'first', secret: SECRET }));
  const second = createCluster(image, { clusterId: 'second', secret: Buffer.alloc(32, 2) });
  assert.deepEqual([second.operations.length, second.result, image.clusterId], [0, 'first', 'first']);
  assert.ok(image.features.finalized.has('metadata.version'));
  assert.deepEqual(image.interBrokerSecret, SECRET);
});

test('a cluster without a secret for its brokers gets one, and keeps it', () => {
  const image = clusterImage({});
  assert.equal(image.interBrokerSecret, undefined);
  const decision = createCluster(image, { clusterId: 'other', secret: SECRET });
  assert.deepEqual(
    decision.operations.map(({ key }) => key),
    ['inter-broker-secret'],
  );
  after(image, decision);
  assert.deepEqual([decision.result, image.interBrokerSecret], ['cluster', SECRET]);
  const later = createCluster(image, { clusterId: 'other', secret: Buffer.alloc(32, 2) });
  assert.equal(later.operations.length, 0);
});

test('a broker is alive with its session, and its epoch is the revision of its registration', () => {
  const image = clusterImage({});
  const decision = registerBroker(image, registration, 'session');
  assert.deepEqual(
    decision.operations.map((one) => (one.type === 'put' ? [one.key, one.sessionId] : one)),
    [
      ['nodes/5', undefined],
      ['brokers/5', 'session'],
    ],
  );
  after(image, decision);
  const { epoch, fenced, rack } = image.brokers.get(5)!;
  assert.deepEqual({ epoch, fenced, rack }, { epoch: image.revision, fenced: false, rack: 'r1' });
  after(image, evictBroker(image, 5));
  assert.deepEqual([image.brokers.get(5)!.fenced, image.brokers.get(5)!.epoch], [true, -1]);
  const earlier = epoch;
  after(image, registerBroker(image, registration, 'another'));
  assert.ok(image.brokers.get(5)!.epoch > earlier);
});

test('two brokers with one id are not registered at the same time', () => {
  const image = clusterImage({ alive: [5] });
  const { operations, result } = registerBroker(image, registration, 'session');
  assert.deepEqual(
    [operations, result.errorCode, result.errorMessage],
    [[], Errors.DUPLICATE_BROKER_REGISTRATION, 'Another broker is registered with that broker id 5.'],
  );
});

test('only one broker is the controller, and a deposed one resigns nothing', () => {
  const image = clusterImage({});
  assert.deepEqual(claimController(image, 2, 'session'), { compares: [], operations: [], result: false });
  const epoch = image.controllerEpoch;
  assert.equal(resignController(image, epoch - 1).operations.length, 0);
  after(image, resignController(image, epoch));
  assert.equal(image.controllerId, -1);
  after(image, claimController(image, 2, 'session'));
  assert.deepEqual([image.controllerId, image.controllerEpoch > epoch], [2, true]);
});

test('a broker that is gone is forgotten on request; one that is alive or unknown is not', () => {
  const image = clusterImage({ alive: [1], fenced: [2] });
  assert.deepEqual(
    [1, 2, 3].map((id) => {
      const decision = unregisterBroker(image, id);
      return [effects(decision), decision.result.errorCode, decision.result.errorMessage];
    }),
    [
      [{}, Errors.INVALID_REQUEST, 'Broker ID 1 is alive: stop it before it is unregistered'],
      [{ 'nodes/2': undefined }, Errors.NONE, null],
      [{}, Errors.BROKER_ID_NOT_REGISTERED, 'Broker ID 3 is not currently registered'],
    ],
  );
});

test('blocks of producer ids follow each other without a gap or an overlap', () => {
  const image = clusterImage({});
  const blocks = [0, 1, 2].map(() => {
    const decision = allocateProducerIds(image);
    after(image, decision);
    return decision.result;
  });
  assert.deepEqual(blocks, [
    { first: 0, count: 1_000 },
    { first: 1_000, count: 1_000 },
    { first: 2_000, count: 1_000 },
  ]);
});
