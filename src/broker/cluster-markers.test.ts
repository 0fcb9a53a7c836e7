import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterImage } from '../../test/cluster-images.ts';
import { Errors, errorName, type ErrorCode } from '../protocol/errors.ts';
import type {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import { PeerUnavailable, type Peers } from '../rpc/peers.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { ClusterMarkers } from './cluster-markers.ts';

const END = {
  producerId: 7,
  producerEpoch: 1,
  coordinatorEpoch: 3,
  isCommit: true,
  transactionVersion: 2,
};

interface Call {
  readonly nodeId: number;
  readonly body: WriteTxnMarkersRequest;
  /** With this error for each partition, or with an answer of the test's own. */
  readonly answer: (errorCode: ErrorCode, change?: (answer: WriteTxnMarkersResponse) => void) => void;
  readonly fail: () => void;
}

/** Broker 1, which leads t-0; 2 leads t-1 and t-2, 3 leads t-3, and nobody t-4. */
function markers() {
  const { timers, time } = simulatedPorts({ seed: 1 });
  const calls: Call[] = [];
  const local: string[] = [];
  const request = (nodeId: number, { body }: { readonly body: WriteTxnMarkersRequest }) =>
    new Promise((resolve, reject) => {
      const answer: Call['answer'] = (errorCode, change) => {
        const response = {
          markers: body.markers.map(({ producerId, topics }) => ({
            producerId,
            topics: topics.map(({ name, partitionIndexes }) => ({
              name,
              partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode })),
            })),
          })),
        };
        change?.(response);
        resolve(response);
      };
      const fail = (): void => reject(new PeerUnavailable(nodeId, 'gone', { wasSent: true }));
      calls.push({ nodeId, body, answer, fail });
    });
  const writer = new ClusterMarkers({
    nodeId: 1,
    image: clusterImage({
      alive: [1, 2, 3],
      topics: { t: [[1], [2], [2], [3], [4]] },
      changed: { 't-4': { leader: -1 } },
    }),
    peers: { request } as unknown as Peers,
    timers,
    local: {
      write: ({ topic, partition }) => {
        local.push(`${topic}-${partition}`);
        return Promise.resolve(Errors.NONE);
      },
    },
    requestTimeoutMs: () => 1_000,
  });
  const write = (partition: number, end: Partial<typeof END> = {}, topic = 't') =>
    writer.write({ topic, partition }, { ...END, ...end }).then(errorName);
  const turn = (): Promise<void> => time.settle(new Promise<void>((resolve) => time.schedule(1, resolve)));
  return { calls, local, write, turn };
}

const asked = ({ body }: Call) =>
  body.markers.map(({ producerId, transactionResult, topics }) => [
    producerId,
    transactionResult,
    ...topics.map(({ name, partitionIndexes }) => `${name} ${partitionIndexes.join(' ')}`),
  ]);

test('markers of one turn go to each leader in one request, and those of our own partitions nowhere', async () => {
  const { calls, local, write, turn } = markers();
  const written = [write(0), write(1), write(2), write(3), write(1, { producerId: 8, isCommit: false })];
  await turn();
  assert.deepEqual(local, ['t-0']);
  assert.deepEqual(
    calls.map((call) => [call.nodeId, asked(call)]),
    [
      [
        2,
        [
          [7, true, 't 1 2'],
          [8, false, 't 1'],
        ],
      ],
      [3, [[7, true, 't 3']]],
    ],
  );
  for (const call of calls) call.answer(Errors.NONE);
  assert.deepEqual(new Set(await Promise.all(written)), new Set(['NONE']));
});

test('what comes while a request is under way goes with the next', async () => {
  const { calls, write, turn } = markers();
  const first = write(1);
  await turn();
  const next = [write(2), write(1, { producerEpoch: 2 })];
  const other = write(3);
  await turn();
  assert.deepEqual(
    calls.map(({ nodeId }) => nodeId),
    [2, 3],
  );
  calls[1]!.answer(Errors.NONE);
  assert.equal(await other, 'NONE');
  calls[0]!.fail();
  assert.equal(await first, 'NETWORK_EXCEPTION');
  await turn();
  assert.deepEqual(asked(calls[2]!), [
    [7, true, 't 2'],
    [7, true, 't 1'],
  ]);
  calls[2]!.answer(Errors.NOT_LEADER_OR_FOLLOWER);
  assert.deepEqual(await Promise.all(next), ['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER']);
});

test('errors that end a transaction are passed on; that a partition is gone only when we know it', async () => {
  const { calls, write, turn } = markers();
  const say = async (errorCode: ErrorCode, change?: (answer: WriteTxnMarkersResponse) => void) => {
    const written = write(1);
    await turn();
    calls.pop()!.answer(errorCode, change);
    return written;
  };
  assert.equal(await say(Errors.TRANSACTION_COORDINATOR_FENCED), 'TRANSACTION_COORDINATOR_FENCED');
  assert.equal(await say(Errors.INVALID_PRODUCER_EPOCH), 'INVALID_PRODUCER_EPOCH');
  assert.equal(await say(Errors.UNKNOWN_TOPIC_OR_PARTITION), 'NOT_LEADER_OR_FOLLOWER');
  const leaveOut = (answer: WriteTxnMarkersResponse): void => void answer.markers.pop();
  assert.equal(await say(Errors.NONE, leaveOut), 'UNKNOWN_SERVER_ERROR');
  assert.equal(await write(4), 'LEADER_NOT_AVAILABLE');
  assert.equal(await write(5), 'UNKNOWN_TOPIC_OR_PARTITION');
  assert.equal(await write(0, {}, 'missing'), 'UNKNOWN_TOPIC_OR_PARTITION');
});
