import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { AssignerProtocol } from './assigners.ts';
import { legacyHash, Partitioners } from './partitioners.ts';

const KEYS = Array.from({ length: 500 }, (_, n) =>
  `${n % 7 === 0 ? 'ключ' : 'key'}-${n}`.slice(0, (n % 12) + 1),
);

test('keys go where KafkaJS sends them, before and since its version 2', () => {
  const legacy = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/legacy/murmur2') as (
    key: Buffer | string,
  ) => number;
  const partitionMetadata = Array.from({ length: 12 }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));
  for (const name of ['DefaultPartitioner', 'LegacyPartitioner', 'JavaCompatiblePartitioner'] as const) {
    const [ours, theirs] = [Partitioners[name](), kafkajs.Partitioners[name]()];
    for (const key of KEYS) {
      for (const message of [
        { key, value: '' },
        { key: Buffer.from(key), value: '' },
        { key, value: '', partition: 3 },
      ]) {
        const args = { topic: 't', partitionMetadata, message };
        assert.equal(ours(args), theirs(args), `${name} ${key}`);
      }
    }
  }
  for (const key of KEYS) assert.equal(legacyHash(Buffer.from(key)), legacy(key), key);
});

test('without a key, partitions that are led take turns, topic by topic', () => {
  const partitionMetadata = [1, -1, 1].map((leader, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader,
    replicas: [1],
    isr: [1],
  }));
  const choose = Partitioners.DefaultPartitioner();
  for (const topic of ['a', 'b']) {
    const chosen = Array.from({ length: 10 }, () =>
      choose({ topic, partitionMetadata, message: { value: '' } }),
    );
    assert.deepEqual([...new Set(chosen)].sort(), [0, 2]);
    assert.equal(chosen.filter((one) => one === 0).length, 5);
  }
});

test('members of KafkaJS and of ours read what the others write', () => {
  const metadata = { version: 1, topics: ['a', 'ü'], userData: Buffer.from('data') };
  const assignment = { version: 1, assignment: { a: [0, 2], ü: [1] }, userData: Buffer.from('more') };
  const theirs = kafkajs.AssignerProtocol;
  assert.deepEqual(AssignerProtocol.MemberMetadata.encode(metadata), theirs.MemberMetadata.encode(metadata));
  assert.deepEqual(
    AssignerProtocol.MemberAssignment.encode(assignment),
    theirs.MemberAssignment.encode(assignment),
  );
  assert.deepEqual(AssignerProtocol.MemberMetadata.decode(theirs.MemberMetadata.encode(metadata)), metadata);
  assert.deepEqual(
    AssignerProtocol.MemberAssignment.decode(theirs.MemberAssignment.encode(assignment)),
    assignment,
  );
  const plain = AssignerProtocol.MemberMetadata.encode({ version: 0, topics: ['a'] });
  assert.deepEqual(AssignerProtocol.MemberMetadata.decode(plain), {
    version: 0,
    topics: ['a'],
    userData: Buffer.alloc(0),
  });
  assert.equal(AssignerProtocol.MemberAssignment.decode(Buffer.alloc(0)), null);
});
