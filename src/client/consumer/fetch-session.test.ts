import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchedPartition } from './fetched-partition.ts';
import { FetchSession, type SessionRequest, type Wanted } from './fetch-session.ts';

const VERSION = 13;

function wanted(index: number, fetchOffset: number, more: Partial<Wanted> = {}): Wanted {
  const partition = new FetchedPartition('t', index);
  return { partition, topicId: 'id', fetchOffset, leaderEpoch: 1, bytesMax: 100, turn: 0, ...more };
}

/** As `epoch: asked / forgotten`. */
function shown({ sessionEpoch, topics, forgottenTopicsData }: SessionRequest): string {
  const asked = topics.flatMap((topic) =>
    topic.partitions.map(({ partition, fetchOffset }) => `${topic.topicId} ${partition}@${fetchOffset}`),
  );
  const forgotten = forgottenTopicsData.flatMap(({ topicId, partitions }) =>
    partitions.map((one) => `${topicId} ${one}`),
  );
  return `${sessionEpoch}: ${asked.join(', ')} / ${forgotten.join(', ')}`;
}

test('what is not wanted any more is taken out, what has changed is said', () => {
  const session = new FetchSession();
  const answer = { errorCode: 0, sessionId: 9 };
  const [zero, one, two] = [wanted(0, 5), wanted(1, 6), wanted(2, 7)];
  assert.equal(shown(session.build([zero, one, two], VERSION)), '0: id 0@5, id 1@6, id 2@7 / ');
  assert.ok(session.take(answer));
  assert.equal(shown(session.build([zero, { ...one, fetchOffset: 8 }], VERSION)), '1: id 1@8 / id 2');
  assert.ok(session.take(answer));
  assert.equal(shown(session.build([zero, { ...one, fetchOffset: 8 }, two], VERSION)), '2: id 2@7 / ');
});

test('a partition that was given away and is back is not taken out', () => {
  const session = new FetchSession();
  session.build([wanted(0, 5), wanted(1, 5)], VERSION);
  session.take({ errorCode: 0, sessionId: 9 });
  assert.equal(shown(session.build([wanted(0, 5), wanted(1, 6)], VERSION)), '1: id 1@6 / ');
});

test('a topic that was made again begins another session', () => {
  const session = new FetchSession();
  session.build([wanted(0, 5)], VERSION);
  session.take({ errorCode: 0, sessionId: 9 });
  assert.equal(shown(session.build([wanted(0, 0, { topicId: 'new' })], VERSION)), '0: new 0@0 / ');
});

test('a broker that keeps no session is asked for everything each time', () => {
  const session = new FetchSession();
  for (const _ of [1, 2]) {
    assert.equal(shown(session.build([wanted(0, 5)], VERSION)), '0: id 0@5 / ');
    assert.ok(session.take({ errorCode: 0, sessionId: 0 }));
  }
});
