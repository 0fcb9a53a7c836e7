import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench } from '../../test/broker-bench.ts';
import type { Logger } from '../base/ports.ts';
import type { CreatedTopic, NewTopic } from '../metadata/controller/topics.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { IN_FLIGHT_MAX, TopicCreation } from './topic-creation.ts';

interface Call {
  readonly topics: readonly NewTopic[];
  readonly finish: (errorCode: number) => void;
  readonly fail: (error: Error) => void;
}

/** A creation whose controller answers when the test says so. */
async function creation() {
  const { services } = await brokerBench();
  const calls: Call[] = [];
  const warnings: string[] = [];
  const controller = {
    createTopics: (topics: readonly NewTopic[]) =>
      new Promise<CreatedTopic[]>((resolve, reject) => {
        const finish = (errorCode: number): void =>
          resolve(
            topics.map(({ name }) => ({
              name,
              errorCode,
              errorMessage: null,
              topicId: '',
              numPartitions: 1,
              replicationFactor: 1,
              configs: new Map(),
            })),
          );
        calls.push({ topics, finish, fail: reject });
      }),
  };
  const logger: Logger = {
    ...services.ports.logger,
    warn: (_fields, message) => warnings.push(message),
  };
  const { image, settings, brokerConfigs } = services;
  return {
    calls,
    warnings,
    topics: new TopicCreation({ controller, image, settings, brokerConfigs, logger }),
  };
}

const turn = (): Promise<void> =>
  new Promise((resolve) => queueMicrotask(() => queueMicrotask(() => resolve())));

test('a topic that many ask for is made once', async () => {
  const { topics, calls } = await creation();
  const unknown = Errors.UNKNOWN_TOPIC_OR_PARTITION;
  assert.deepEqual(
    [...topics.begin(['a', 'b'])],
    [
      ['a', unknown],
      ['b', unknown],
    ],
  );
  assert.deepEqual(
    [...topics.begin(['b', 'c'])],
    [
      ['b', unknown],
      ['c', unknown],
    ],
  );
  assert.deepEqual(
    calls.map((call) => call.topics.map((topic) => topic.name)),
    [['a', 'b'], ['c']],
  );
});

test('a topic that the controller refused is tried again when it is asked for again', async () => {
  const { topics, calls, warnings } = await creation();
  topics.begin(['a']);
  calls[0].finish(Errors.INVALID_REPLICATION_FACTOR);
  for (let n = 0; n < 5; n++) await turn();
  topics.begin(['a']);
  assert.equal(calls.length, 2);
  assert.ok(warnings.includes('topic could not be created automatically'), warnings.join());
});

test('a controller that fails leaves nothing behind', async () => {
  const { topics, calls, warnings } = await creation();
  topics.begin(['a']);
  calls[0].fail(new KafkaError(Errors.NOT_CONTROLLER));
  for (let n = 0; n < 5; n++) await turn();
  topics.begin(['a']);
  assert.deepEqual([calls.length, warnings], [2, ['topics could not be created automatically']]);
});

test('more topics than may be in flight are left for a later request', async () => {
  const { topics, calls } = await creation();
  const names = Array.from({ length: IN_FLIGHT_MAX + 10 }, (_, n) => `t${n}`);
  assert.equal(topics.begin(names).size, names.length);
  topics.begin(['more']);
  assert.deepEqual(
    calls.map((call) => call.topics.length),
    [IN_FLIGHT_MAX],
  );
});

test('who needs an internal topic waits for the one under way, and hears why there is none', async () => {
  const { topics, calls } = await creation();
  const first = topics.ensureInternal('__consumer_offsets');
  const second = topics.ensureInternal('__consumer_offsets');
  assert.equal(calls.length, 1);
  calls[0].finish(Errors.TOPIC_ALREADY_EXISTS);
  await Promise.all([first, second]);
  const refused = assert.rejects(topics.ensureInternal('__consumer_offsets'), {
    code: Errors.POLICY_VIOLATION,
  });
  calls[1].finish(Errors.POLICY_VIOLATION);
  await refused;
});
