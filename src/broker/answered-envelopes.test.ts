import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Errors } from '../protocol/errors.ts';
import type { EnvelopeResponse } from '../protocol/messages/58-envelope.ts';
import { AnsweredEnvelopes, REMEMBERED_BYTES_MAX, REMEMBERED_MAX } from './answered-envelopes.ts';

const never = (): boolean => false;

function counting(response: Partial<EnvelopeResponse> = {}) {
  const counter = {
    acts: 0,
    act: async (): Promise<EnvelopeResponse> => {
      counter.acts += 1;
      return { responseData: Buffer.from([counter.acts]), errorCode: Errors.NONE, ...response };
    },
  };
  return counter;
}

test('the same request is carried out once, also while it is under way, and another by itself', async () => {
  const answered = new AnsweredEnvelopes();
  const one = counting();
  const answers = await Promise.all([
    answered.answer('a', one.act, never),
    answered.answer('a', one.act, never),
  ]);
  assert.equal(answers[0], answers[1]);
  assert.equal(await answered.answer('a', one.act, never), answers[0]);
  await answered.answer('b', one.act, never);
  assert.equal(one.acts, 2);
});

test('what was not decided is asked anew', async () => {
  const answered = new AnsweredEnvelopes();
  const refused = counting({ errorCode: Errors.NOT_CONTROLLER });
  const mayAgain = ({ errorCode }: EnvelopeResponse): boolean => errorCode === Errors.NOT_CONTROLLER;
  for (let time = 0; time < 2; time++) await answered.answer('a', refused.act, mayAgain);
  assert.equal(refused.acts, 2);
  let failures = 0;
  const failing = async (): Promise<EnvelopeResponse> => {
    failures += 1;
    throw new Error('no');
  };
  for (let time = 0; time < 2; time++) await assert.rejects(answered.answer('b', failing, never));
  assert.equal(failures, 2);
});

test('only so many answers are kept, and so many bytes of them', async () => {
  const answered = new AnsweredEnvelopes();
  const small = counting();
  for (let n = 0; n <= REMEMBERED_MAX; n++) await answered.answer(`small ${n}`, small.act, never);
  await answered.answer(`small ${REMEMBERED_MAX}`, small.act, never);
  assert.equal(small.acts, REMEMBERED_MAX + 1);
  await answered.answer('small 0', small.act, never);
  assert.equal(small.acts, REMEMBERED_MAX + 2, 'the first has been forgotten');
  const large = counting({ responseData: Buffer.alloc(REMEMBERED_BYTES_MAX / 2 + 1) });
  await answered.answer('large 1', large.act, never);
  await answered.answer('large 2', large.act, never);
  await answered.answer('large 2', large.act, never);
  assert.equal(large.acts, 2);
  await answered.answer('large 1', large.act, never);
  assert.equal(large.acts, 3);
});
