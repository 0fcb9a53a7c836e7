// What only Kafka's brokers serve so far: offsets of share groups, streams groups, delegation tokens. Brokers here say what a
// test wants.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../../protocol/errors.ts';
import { Client } from '../client.ts';
import { TestCluster, type Handler } from '../test-cluster.ts';
import { failureOf, namesOf } from './test-scene.ts';

const FIND = 10;
const GROUP_QUESTIONS = { consumer: 69, classic: 15, share: 77, streams: 89 } as const;

function scene(handlers: Readonly<Record<number, Handler>>) {
  const cluster = new TestCluster();
  const here = { nodeId: 0, host: 'b0', port: 9092, errorCode: 0, errorMessage: null };
  cluster.handlers.set(FIND, () => ({ throttleTimeMs: 0, ...here, coordinators: [{ key: 'g', ...here }] }));
  for (const [key, handler] of Object.entries(handlers)) cluster.handlers.set(Number(key), handler);
  const client = new Client({ bootstrap: cluster.bootstrap, ports: cluster.clientPorts() });
  const settle = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
  return { cluster, admin: client.admin(), settle };
}

const id = '.'.repeat(16);
const fine = { errorCode: 0, errorMessage: null };

test('where a share group begins is told by partition, without those in which it has not begun', async () => {
  const partition = (partitionIndex: number, startOffset: number, lag: number): object => ({
    partitionIndex,
    startOffset,
    leaderEpoch: 3,
    lag,
    ...fine,
  });
  const { admin, settle, cluster } = scene({
    90: () => ({
      throttleTimeMs: 0,
      groups: [
        {
          groupId: 'g',
          topics: [
            {
              topicName: 't',
              topicId: id,
              partitions: [partition(0, 7, 5), partition(1, -1, -1), partition(2, 9, -1)],
            },
          ],
          ...fine,
        },
      ],
    }),
  });
  assert.deepEqual(await settle(admin.shareGroupOffsets('g')), [
    { topic: 't', partition: 0, startOffset: 7, leaderEpoch: 3, lag: 5 },
    { topic: 't', partition: 2, startOffset: 9, leaderEpoch: 3, lag: null },
  ]);
  await settle(admin.shareGroupOffsets('g', { partitions: [{ topic: 't', partition: 2 }] }));
  assert.deepEqual(
    cluster.requests(90).map(({ groups }) => groups[0].topics),
    [null, [{ topicName: 't', partitions: [2] }]],
  );
});

test('a share group that is not there, or a partition that cannot be read, is told by name', async () => {
  const answers = [
    { groupId: 'g', topics: [], errorCode: Errors.GROUP_ID_NOT_FOUND, errorMessage: 'no' },
    {
      groupId: 'g',
      topics: [
        {
          topicName: 't',
          topicId: id,
          partitions: [
            { partitionIndex: 0, startOffset: 1, leaderEpoch: 0, lag: 0, ...fine },
            {
              partitionIndex: 1,
              startOffset: 0,
              leaderEpoch: 0,
              lag: 0,
              errorCode: Errors.TOPIC_AUTHORIZATION_FAILED,
            },
          ],
        },
      ],
      ...fine,
    },
  ];
  const { admin, settle } = scene({ 90: () => ({ throttleTimeMs: 0, groups: [answers.shift()!] }) });
  assert.deepEqual(namesOf(await settle(failureOf(admin.shareGroupOffsets('g')))), [
    ['g', 'GROUP_ID_NOT_FOUND'],
  ]);
  const failure = await settle(failureOf(admin.shareGroupOffsets('g')));
  assert.deepEqual(namesOf(failure), [['t-1', 'TOPIC_AUTHORIZATION_FAILED']]);
  assert.equal(failure.results.length, 1);
});

test('a share group is moved partition by partition, and forgets topics', async () => {
  const { admin, settle, cluster } = scene({
    91: () => ({
      throttleTimeMs: 0,
      ...fine,
      responses: [
        {
          topicName: 't',
          topicId: id,
          partitions: [
            { partitionIndex: 0, ...fine },
            { partitionIndex: 1, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: 'none' },
          ],
        },
      ],
    }),
    92: () => ({
      throttleTimeMs: 0,
      errorCode: Errors.NON_EMPTY_GROUP,
      errorMessage: 'members',
      responses: [],
    }),
  });
  const offsets = [0, 1].map((partition) => ({ topic: 't', partition, offset: 4 }));
  const failure = await settle(failureOf(admin.alterShareGroupOffsets('g', offsets)));
  assert.deepEqual(namesOf(failure), [['t-1', 'UNKNOWN_TOPIC_OR_PARTITION']]);
  assert.deepEqual(cluster.requests(91)[0].topics[0].partitions, [
    { partitionIndex: 0, startOffset: 4 },
    { partitionIndex: 1, startOffset: 4 },
  ]);
  const deleting = admin.deleteShareGroupOffsets({ group: 'g', topics: ['t', 'u'] });
  assert.deepEqual(namesOf(await settle(failureOf(deleting))), [
    ['t', 'NON_EMPTY_GROUP'],
    ['u', 'NON_EMPTY_GROUP'],
  ]);
});

const NOT_THERE = {
  errorCode: Errors.GROUP_ID_NOT_FOUND,
  errorMessage: null,
  groupId: 'g',
  groupState: '',
  members: [],
};

test('a streams group is described with its topology and tasks, and found among groups of all kinds', async () => {
  const nobody = {
    throttleTimeMs: 0,
    groups: [{ ...NOT_THERE, groupEpoch: 0, assignmentEpoch: 0, assignorName: '' }],
  };
  const none = { activeTasks: [], standbyTasks: [], warmupTasks: [] };
  const { admin, settle } = scene({
    [GROUP_QUESTIONS.consumer]: () => nobody,
    [GROUP_QUESTIONS.classic]: () => ({
      throttleTimeMs: 0,
      groups: [{ ...NOT_THERE, protocolType: '', protocolData: '' }],
    }),
    [GROUP_QUESTIONS.share]: () => nobody,
    [GROUP_QUESTIONS.streams]: () => ({
      throttleTimeMs: 0,
      groups: [
        {
          ...fine,
          groupId: 'g',
          groupState: 'Stable',
          groupEpoch: 4,
          assignmentEpoch: 3,
          topology: {
            epoch: 1,
            subtopologies: [
              {
                subtopologyId: '0',
                sourceTopics: ['in'],
                repartitionSinkTopics: [],
                stateChangelogTopics: [
                  { name: 'log', partitions: 2, replicationFactor: 1, topicConfigs: [] },
                ],
                repartitionSourceTopics: [],
              },
            ],
          },
          members: [
            {
              memberId: 'm',
              memberEpoch: 4,
              instanceId: null,
              rackId: 'r',
              clientId: 'c',
              clientHost: '/h',
              topologyEpoch: 1,
              processId: 'p',
              userEndpoint: null,
              clientTags: [],
              taskOffsets: [],
              taskEndOffsets: [],
              assignment: { ...none, activeTasks: [{ subtopologyId: '0', partitions: [0, 1] }] },
              targetAssignment: none,
              isClassic: false,
            },
          ],
          topologyDescription: null,
          assignorName: null,
        },
      ],
    }),
  });
  const [found] = await settle(admin.describeStreamsGroups(['g']));
  assert.deepEqual(
    [found!.state, found!.epoch, found!.assignmentEpoch, found!.topologyEpoch],
    ['Stable', 4, 3, 1],
  );
  assert.deepEqual(found!.subtopologies[0]!.changelogTopics, ['log']);
  assert.deepEqual(found!.members[0]!.tasks, {
    active: [
      { subtopology: '0', partition: 0 },
      { subtopology: '0', partition: 1 },
    ],
    standby: [],
    warmup: [],
  });
  const { type, state, members } = await settle(admin.describeGroup('g'));
  assert.deepEqual([type, state, members.map(({ memberId }) => memberId)], ['streams', 'Stable', ['m']]);
  assert.deepEqual(Object.keys(members[0]!).sort(), [
    'clientId',
    'epoch',
    'host',
    'instanceId',
    'memberId',
    'partitions',
    'rack',
    'targetPartitions',
  ]);
});

test('delegation tokens are issued, renewed, ended and listed', async () => {
  const token = {
    principalType: 'User',
    principalName: 'ada:1',
    tokenRequesterPrincipalType: 'User',
    tokenRequesterPrincipalName: 'root',
    tokenId: 'id',
    hmac: Buffer.from('secret'),
  };
  const { admin, settle, cluster } = scene({
    38: () => ({
      ...fine,
      ...token,
      issueTimestampMs: 1,
      expiryTimestampMs: 2,
      maxTimestampMs: 3,
      throttleTimeMs: 0,
    }),
    39: () => ({ ...fine, expiryTimestampMs: 9, throttleTimeMs: 0 }),
    40: () => ({ errorCode: Errors.DELEGATION_TOKEN_NOT_FOUND, expiryTimestampMs: -1, throttleTimeMs: 0 }),
    41: () => ({
      ...fine,
      tokens: [
        {
          ...token,
          issueTimestamp: 1,
          expiryTimestamp: 2,
          maxTimestamp: 3,
          renewers: [{ principalType: 'User', principalName: 'eve' }],
        },
      ],
      throttleTimeMs: 0,
    }),
  });
  const created = await settle(admin.createDelegationToken({ owner: 'User:ada:1', renewers: ['User:eve'] }));
  const { owner, requester, expiresMs, expiresMsMax } = created;
  assert.deepEqual([owner, requester, expiresMs, expiresMsMax], ['User:ada:1', 'User:root', 2, 3]);
  assert.equal(created.hmac.toString(), 'secret');
  assert.equal(await settle(admin.renewDelegationToken(created, { periodMs: 8 })), 9);
  await assert.rejects(settle(admin.expireDelegationToken(created)), {
    errorName: 'DELEGATION_TOKEN_NOT_FOUND',
  });
  const [listed] = await settle(admin.describeDelegationTokens({ owners: ['User:ada:1'] }));
  assert.deepEqual(listed, { ...created, renewers: ['User:eve'] });
  await assert.rejects(settle(admin.createDelegationToken({ owner: 'ada' })), {
    errorName: 'INVALID_ARGUMENT',
  });
  const { ownerPrincipalName, maxLifetimeMs } = cluster.requests(38)[0];
  assert.deepEqual([ownerPrincipalName, maxLifetimeMs], ['ada:1', -1]);
  assert.equal(cluster.requests(39)[0].renewPeriodMs, 8);
  assert.equal(cluster.requests(40)[0].expiryTimePeriodMs, -1);
});
