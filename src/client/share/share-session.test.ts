import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShareSession, type SharePartition } from './share-session.ts';

const at = (partition: number, topicId = 'id'): SharePartition => ({ topic: 't', topicId, partition });
const batches = [{ firstOffset: 1, lastOffset: 2, acknowledgeTypes: [1] }];

/** As `epoch: asked, with acknowledgements in brackets / forgotten`. */
function shown(session: ShareSession, ...what: Parameters<ShareSession['build']>): string {
  const { topics, forgottenTopicsData } = session.build(...what);
  const asked = topics.flatMap(({ topicId, partitions }) =>
    partitions.map((one) => {
      const said = (one.acknowledgementBatches ?? []).map(
        ({ firstOffset, lastOffset }) => `${firstOffset}-${lastOffset}`,
      );
      return `${topicId} ${one.partitionIndex}${said.length > 0 ? ` [${said.join()}]` : ''}`;
    }),
  );
  const forgotten = forgottenTopicsData.flatMap(({ topicId, partitions }) =>
    partitions.map((one) => `${topicId} ${one}`),
  );
  return `${session.epoch}: ${asked.join(', ')} / ${forgotten.join(', ')}`;
}

test('only what has changed is said, and what is acknowledged', () => {
  const session = new ShareSession();
  assert.ok(session.isNew);
  assert.equal(shown(session, [at(0), at(1)], []), '0: id 0, id 1 / ');
  session.advance();
  assert.ok(!session.isNew);
  assert.equal(shown(session, [at(0), at(1)], [{ at: at(1), batches }]), '1: id 1 [1-2] / ');
  session.advance();
  assert.equal(shown(session, [at(1), at(2)], [{ at: at(2), batches }]), '2: id 2 [1-2] / id 0');
  session.advance();
  assert.equal(shown(session, [at(1), at(2)], []), '3:  / ');
});

test('a topic that was made again takes the place of the old one', () => {
  const session = new ShareSession();
  session.build([at(0)], []);
  session.advance();
  assert.equal(shown(session, [at(0, 'new')], []), '1: new 0 / id 0');
});

test('a session that was lost begins anew with all of it', () => {
  const session = new ShareSession();
  session.build([at(0)], []);
  session.advance();
  session.reset();
  assert.ok(session.isNew);
  assert.equal(shown(session, [at(0)], []), '0: id 0 / ');
});
