import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import { SaslHandshakeRequest, SaslHandshakeResponse } from '../protocol/messages/17-sasl-handshake.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../protocol/messages/18-api-versions.ts';
import {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
} from '../protocol/messages/36-sasl-authenticate.ts';
import { DescribeClusterRequest, DescribeClusterResponse } from '../protocol/messages/60-describe-cluster.ts';
import { PeerUnavailable, type PeerRequest } from '../rpc/peers.ts';
import { answerChallenge, brokerHello, type BrokerClaim } from '../security/broker-identity.ts';
import { RECONNECT_BACKOFF_MS_MAX } from './peers.ts';
import { testCluster, type TestCluster } from './test-cluster.ts';

const VERSIONS = {
  request: ApiVersionsRequest,
  response: ApiVersionsResponse,
  body: { clientSoftwareName: 'test', clientSoftwareVersion: '1' },
  timeoutMs: 5_000,
} satisfies PeerRequest<object, object>;

async function failureOf(cluster: TestCluster, nodeId: number, timeoutMs = 5_000): Promise<PeerUnavailable> {
  const { peers } = cluster.member(1).broker.services;
  const error: unknown = await cluster.settle(
    peers.request(nodeId, { ...VERSIONS, timeoutMs }).then(
      () => assert.fail('it was answered'),
      (reason: unknown) => reason,
    ),
  );
  assert.ok(error instanceof PeerUnavailable, String(error));
  return error;
}

test('a broker asks another as a broker, and is told of the APIs that clients are not', async () => {
  const cluster = await testCluster(2);
  const { peers } = cluster.member(1).broker.services;
  const { errorCode, apiKeys } = await cluster.settle(peers.request(2, VERSIONS));
  const keys = apiKeys.map(({ apiKey }) => apiKey);
  const client = await cluster.connect(2);
  const asClient = await client.request(ApiVersionsRequest, ApiVersionsResponse, 4, VERSIONS.body);
  assert.equal(errorCode, Errors.NONE);
  const { apiVersionsForBrokers, apiVersions } = cluster.member(2).broker.services;
  assert.deepEqual(
    keys,
    apiVersionsForBrokers.map(({ apiKey }) => apiKey),
  );
  assert.deepEqual(
    asClient.apiKeys.map(({ apiKey }) => apiKey),
    apiVersions.map(({ apiKey }) => apiKey),
  );
  await cluster.stop();
});

test('requests of a lane share a connection, and another lane has its own', async () => {
  const cluster = await testCluster(2);
  const { services } = cluster.member(1).broker;
  let opened = 0;
  const { network } = cluster.member(1).ports;
  const connect = network.connect.bind(network);
  network.connect = (host, port) => {
    opened += 1;
    return connect(host, port);
  };
  await cluster.settle(
    Promise.all([services.peers.request(2, VERSIONS), services.peers.request(2, VERSIONS)]),
  );
  await cluster.settle(services.peers.request(2, VERSIONS));
  assert.equal(opened, 1);
  await cluster.settle(services.peers.request(2, { ...VERSIONS, lane: 'other' }));
  assert.equal(opened, 2);
  await cluster.stop();
});

test('a broker that is not in the cluster is unavailable at once', async () => {
  const cluster = await testCluster(1);
  assert.deepEqual([(await failureOf(cluster, 7)).nodeId, (await failureOf(cluster, 7)).wasSent], [7, false]);
  await cluster.stop();
});

test('a broken connection is made again with the next request', async () => {
  const cluster = await testCluster(2);
  const { peers } = cluster.member(1).broker.services;
  await cluster.settle(peers.request(2, VERSIONS));
  cluster.network.reset('host1', 'host2');
  await cluster.pass(10);
  assert.equal((await cluster.settle(peers.request(2, VERSIONS))).errorCode, Errors.NONE);
  await cluster.stop();
});

test('a request under way when the connection breaks may have been carried out', async () => {
  const cluster = await testCluster(2);
  const { peers } = cluster.member(1).broker.services;
  await cluster.settle(peers.request(2, VERSIONS));
  const failure = failureOf(cluster, 2);
  cluster.network.reset('host1', 'host2');
  assert.equal((await failure).wasSent, true);
  await cluster.stop();
});

test('a host that does not answer costs a request its time, and the attempts become rare', async () => {
  const cluster = await testCluster(2);
  cluster.network.block('host1', 'host2');
  const before = cluster.time.nowMs();
  assert.match((await failureOf(cluster, 2, 3_000)).message, /no connection within 3000 ms/);
  assert.ok(cluster.time.nowMs() - before < 3_100);
  // The attempt goes on, until its own time is over.
  await cluster.pass(7_010);
  assert.match((await failureOf(cluster, 2)).message, /could not be reached a moment ago/);
  cluster.network.heal();
  await cluster.pass(2 * RECONNECT_BACKOFF_MS_MAX);
  const { peers } = cluster.member(1).broker.services;
  assert.equal((await cluster.settle(peers.request(2, VERSIONS))).errorCode, Errors.NONE);
  await cluster.stop();
});

test('pauses between attempts at a host that refuses double up to their limit', async () => {
  const cluster = await testCluster(2);
  const { services } = cluster.member(1).broker;
  let attempts = 0;
  const { network } = cluster.member(1).ports;
  network.connect = () => {
    attempts += 1;
    return Promise.reject(new Error('ECONNREFUSED'));
  };
  const untilMs = cluster.time.nowMs() + 10_000;
  while (cluster.time.nowMs() < untilMs) {
    await cluster.settle(services.peers.request(2, VERSIONS).catch(() => {}));
    await cluster.pass(5);
  }
  // 50, 100, 200, 400, 800 and then a second each, give or take a fifth.
  assert.ok(attempts >= 10 && attempts <= 17, `${attempts} attempts`);
  await cluster.stop();
});

test('a broker that leaves the cluster is let go, and the one that comes back is asked anew', async () => {
  const cluster = await testCluster(2);
  const { peers } = cluster.member(1).broker.services;
  await cluster.settle(peers.request(2, VERSIONS));
  await cluster.settle(cluster.member(2).broker.stop());
  await cluster.pass(100);
  assert.match((await failureOf(cluster, 2)).message, /not in the cluster/);
  await cluster.start(2);
  assert.equal((await cluster.settle(peers.request(2, VERSIONS))).errorCode, Errors.NONE);
  await cluster.stop();
});

test('who waits for a connection to a broker that leaves the cluster is told at once', async () => {
  const cluster = await testCluster(2);
  cluster.network.block('host1', 'host2');
  const waiting = failureOf(cluster, 2, 60_000);
  await cluster.pass(100);
  await cluster.settle(cluster.member(2).broker.stop());
  const before = cluster.time.nowMs();
  assert.match((await waiting).message, /left the cluster/);
  assert.ok(cluster.time.nowMs() - before < 1_000);
  cluster.network.heal();
  await cluster.settle(cluster.member(1).broker.stop());
});

test('a broker whose secret is another is not believed', async () => {
  const cluster = await testCluster(2);
  Object.defineProperty(cluster.member(2).broker.services.image, 'interBrokerSecret', {
    value: Buffer.alloc(32, 9),
  });
  assert.match((await failureOf(cluster, 2)).message, /does not know the secret/);
  await cluster.stop();
});

test('after the broker has stopped nothing is asked, and who waits is told', async () => {
  const cluster = await testCluster(2);
  const { peers } = cluster.member(1).broker.services;
  await cluster.settle(peers.request(2, VERSIONS));
  const waiting = failureOf(cluster, 2);
  const stopped = cluster.member(1).broker.stop();
  await waiting;
  await cluster.settle(stopped);
  assert.match((await failureOf(cluster, 2)).message, /not in the cluster/);
  await cluster.settle(cluster.member(2).broker.stop());
});

test('clients are told that there is nothing to authenticate', async () => {
  const cluster = await testCluster(1);
  const client = await cluster.connect(1);
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', '']) {
    const answer = await client.request(SaslHandshakeRequest, SaslHandshakeResponse, 1, { mechanism });
    assert.deepEqual(answer, { errorCode: Errors.ILLEGAL_SASL_STATE, mechanisms: [] });
  }
  const old = await client.request(SaslHandshakeRequest, SaslHandshakeResponse, 0, {
    mechanism: 'HEADRACE-BROKER',
  });
  assert.equal(old.errorCode, Errors.ILLEGAL_SASL_STATE);
  const answer = await client.request(SaslAuthenticateRequest, SaslAuthenticateResponse, 2, {
    authBytes: Buffer.from('\0user\0password'),
  });
  assert.equal(answer.errorCode, Errors.ILLEGAL_SASL_STATE);
  await cluster.stop();
});

test('who does not know the secret stays who he was, and a step is made once', async () => {
  const cluster = await testCluster(1);
  const client = await cluster.connect(1);
  const handshake = { mechanism: 'HEADRACE-BROKER' };
  const begun = await client.request(SaslHandshakeRequest, SaslHandshakeResponse, 1, handshake);
  assert.equal(begun.errorCode, Errors.NONE);
  const step = (authBytes: Buffer) =>
    client.request(SaslAuthenticateRequest, SaslAuthenticateResponse, 2, { authBytes });
  const hello = brokerHello({ nodeId: 2, brokerEpoch: 1, toNodeId: 1 }, Buffer.alloc(32, 1));
  assert.equal((await step(hello)).errorCode, Errors.NONE);
  assert.equal((await step(Buffer.alloc(35))).errorCode, Errors.SASL_AUTHENTICATION_FAILED);
  assert.equal((await step(Buffer.alloc(35))).errorCode, Errors.ILLEGAL_SASL_STATE);
  const versions = await client.request(ApiVersionsRequest, ApiVersionsResponse, 4, VERSIONS.body);
  assert.equal(versions.apiKeys.length, cluster.member(1).broker.services.apiVersions.length);
  await cluster.stop();
});

test('a claim that is for another broker, or from an earlier life, is refused although the secret is known', async () => {
  const cluster = await testCluster(2);
  const { image } = cluster.member(1).broker.services;
  const epoch = image.brokers.get(2)!.epoch;
  const claims: (readonly [BrokerClaim, number])[] = [
    [{ nodeId: 2, brokerEpoch: epoch, toNodeId: 1 }, Errors.NONE],
    [{ nodeId: 2, brokerEpoch: epoch, toNodeId: 2 }, Errors.SASL_AUTHENTICATION_FAILED],
    [{ nodeId: 2, brokerEpoch: epoch - 1, toNodeId: 1 }, Errors.SASL_AUTHENTICATION_FAILED],
    [{ nodeId: 1, brokerEpoch: epoch, toNodeId: 1 }, Errors.SASL_AUTHENTICATION_FAILED],
    // Registered a moment ago: this broker's image does not have it yet.
    [{ nodeId: 3, brokerEpoch: epoch + 1, toNodeId: 1 }, Errors.NONE],
  ];
  for (const [claim, expected] of claims) {
    const client = await cluster.connect(1);
    const step = (authBytes: Buffer) =>
      client.request(SaslAuthenticateRequest, SaslAuthenticateResponse, 2, { authBytes });
    await client.request(SaslHandshakeRequest, SaslHandshakeResponse, 1, { mechanism: 'HEADRACE-BROKER' });
    const hello = brokerHello(claim, Buffer.alloc(32, 1));
    const { authBytes } = await step(hello);
    const { errorCode } = await step(answerChallenge(image.interBrokerSecret!, hello, authBytes)!);
    assert.equal(errorCode, expected, JSON.stringify(claim));
  }
  await cluster.stop();
});

test('two brokers are in what clients are told of the cluster', async () => {
  const cluster = await testCluster(2);
  for (const nodeId of [1, 2]) {
    const client = await cluster.connect(nodeId);
    const { brokers, clusterId } = await client.request(DescribeClusterRequest, DescribeClusterResponse, 2, {
      includeClusterAuthorizedOperations: false,
      includeFencedBrokers: true,
    });
    assert.deepEqual(
      brokers.map(({ brokerId, host, isFenced }) => [brokerId, host, isFenced]),
      [
        [1, 'host1', false],
        [2, 'host2', false],
      ],
    );
    assert.equal(clusterId, cluster.member(1).broker.services.image.clusterId);
  }
  await cluster.stop();
});
