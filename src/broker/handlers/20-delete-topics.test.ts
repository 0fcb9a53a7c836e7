import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench, type BrokerBench } from '../../../test/broker-bench.ts';
import { ZERO_UUID } from '../../base/uuid.ts';
import { Errors } from '../../protocol/errors.ts';
import { metadata } from './03-metadata.ts';
import { deleteTopics } from './20-delete-topics.ts';

interface Answer {
  readonly name: string | null;
  readonly topicId: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

async function responses(bench: BrokerBench, version: number, body: object): Promise<Answer[]> {
  const { responses: all } = await bench.call(deleteTopics, version, body);
  return (all as Answer[]).sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
}

const UNKNOWN_ID = 'unknown id #####';

test('item 44: topics are out of the metadata when the answer leaves, in every version', async () => {
  const bench = await brokerBench();
  for (const version of [1, 2, 3, 4, 5, 6]) {
    await bench.createTopic('t');
    const { id } = bench.image.topics.get('t')!;
    const body = version < 6 ? { topicNames: ['t'] } : { topics: [{ name: 't', topicId: ZERO_UUID }] };
    const [answer] = await responses(bench, version, body);
    assert.deepEqual([answer.name, answer.errorCode, answer.errorMessage], ['t', Errors.NONE, null]);
    assert.equal(answer.topicId, version >= 6 ? id : ZERO_UUID);
    assert.deepEqual((await bench.call(metadata, 1, { topics: null })).topics, []);
  }
});

test('item 40: a topic that is made again under the same name has another id', async () => {
  const bench = await brokerBench();
  const ids = new Set<string>();
  for (let n = 0; n < 20; n++) {
    await bench.createTopic('t');
    ids.add(bench.image.topics.get('t')!.id);
    await responses(bench, 5, { topicNames: ['t'] });
  }
  assert.equal(ids.size, 20);
});

test('topics are deleted by id, and each kind of mistake is told', async () => {
  const bench = await brokerBench();
  for (const name of ['a', 'b', 'c', 'd']) await bench.createTopic(name);
  const id = (name: string): string => bench.image.topics.get(name)!.id;
  const [a, b, c] = ['a', 'b', 'c'].map(id);
  const invalid = Errors.INVALID_REQUEST;
  const answers = await responses(bench, 6, {
    topics: [
      { name: null, topicId: a },
      { name: null, topicId: b },
      { name: null, topicId: b },
      { name: 'c', topicId: ZERO_UUID },
      { name: null, topicId: c },
      { name: 'both', topicId: a },
      { name: null, topicId: ZERO_UUID },
      { name: null, topicId: UNKNOWN_ID },
      { name: 'missing', topicId: ZERO_UUID },
      { name: 'twice', topicId: ZERO_UUID },
      { name: 'twice', topicId: ZERO_UUID },
    ],
  });
  const byText = (one: Answer): string => JSON.stringify([one.name, one.topicId]);
  const expected: Answer[] = [
    { name: 'a', topicId: a, errorCode: 0, errorMessage: null },
    { name: null, topicId: b, errorCode: invalid, errorMessage: 'Duplicate topic id.' },
    {
      name: 'c',
      topicId: c,
      errorCode: invalid,
      errorMessage: 'The provided topic name maps to an ID that was already supplied.',
    },
    {
      name: 'both',
      topicId: a,
      errorCode: invalid,
      errorMessage: 'You may not specify both topic name and topic id.',
    },
    {
      name: null,
      topicId: ZERO_UUID,
      errorCode: invalid,
      errorMessage: 'Neither topic name nor id were specified.',
    },
    {
      name: null,
      topicId: UNKNOWN_ID,
      errorCode: Errors.UNKNOWN_TOPIC_ID,
      errorMessage: 'This server does not host this topic ID.',
    },
    {
      name: 'missing',
      topicId: ZERO_UUID,
      errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION,
      errorMessage: 'This server does not host this topic-partition.',
    },
    { name: 'twice', topicId: ZERO_UUID, errorCode: invalid, errorMessage: 'Duplicate topic name.' },
  ];
  const sort = (list: Answer[]): Answer[] => [...list].sort((x, y) => (byText(x) < byText(y) ? -1 : 1));
  assert.deepEqual(sort(answers), sort(expected));
  assert.deepEqual([...bench.image.topics.keys()].sort(), ['b', 'c', 'd']);
});

test('deletion that is turned off is told as the version can', async () => {
  const bench = await brokerBench({ configs: { 'delete.topic.enable': 'false' } });
  await bench.createTopic('t');
  const code = async (version: number) =>
    (await responses(bench, version, { topicNames: ['t'] }))[0].errorCode;
  assert.deepEqual(
    [await code(2), await code(3), await code(5)],
    [Errors.INVALID_REQUEST, Errors.TOPIC_DELETION_DISABLED, Errors.TOPIC_DELETION_DISABLED],
  );
  assert.ok(bench.image.topics.has('t'));
});

test('who may not delete a topic does not, and learns its name only if they may describe it', async () => {
  const bench = await brokerBench();
  for (const name of ['seen', 'hidden']) await bench.createTopic(name);
  const ids = ['seen', 'hidden'].map((name) => bench.image.topics.get(name)!.id);
  bench.permit = (operation, _resource, name) => operation !== 'DELETE' && name === 'seen';
  const denied = Errors.TOPIC_AUTHORIZATION_FAILED;
  const byId = await responses(bench, 6, { topics: ids.map((topicId) => ({ name: null, topicId })) });
  assert.deepEqual(
    byId.map(({ name, topicId, errorCode }) => [name, topicId, errorCode]),
    [
      [null, ids[1], denied],
      ['seen', ids[0], denied],
    ],
  );
  const named = await responses(bench, 5, { topicNames: ['seen', 'hidden', 'missing'] });
  assert.deepEqual(
    named.map(({ name, errorCode }) => [name, errorCode]),
    [
      ['hidden', denied],
      ['missing', denied],
      ['seen', denied],
    ],
  );
  assert.equal(bench.image.topics.size, 2);
});

test('a topic’s configurations go with it', async () => {
  const bench = await brokerBench();
  await bench.createTopic('t', 1, { 'retention.ms': '1' });
  await responses(bench, 5, { topicNames: ['t'] });
  await bench.createTopic('t');
  assert.equal(bench.image.configs('TOPIC', 't').size, 0);
});
