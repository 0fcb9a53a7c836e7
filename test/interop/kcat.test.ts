// kcat against a running broker: the common scenario, and its ways of listing and querying.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installKcat } from '../../scripts/peer-kcat.ts';
import { kcat, KCAT_LACKS, startKcat } from './kcat-peer.ts';
import { obtain } from './peer.ts';
import { startPlatformatic } from './platformatic-peer.ts';
import { scenario } from './scenario.ts';
import { startTarget } from './target.ts';

const { skip } = await obtain(installKcat);

scenario({ name: 'kcat', skip, start: startKcat, observe: startPlatformatic, lacks: KCAT_LACKS });

test(
  'kcat lists the broker and the topics it has made by writing to them',
  { skip: skip ?? false },
  async () => {
    const target = await startTarget();
    try {
      const base = ['-b', target.bootstrap];
      await kcat([
        ...base,
        '-P',
        '-t',
        'made-by-writing',
        '-X',
        'allow.auto.create.topics=true',
        import.meta.filename,
      ]);
      const listed = JSON.parse(await kcat([...base, '-L', '-J']));
      assert.deepEqual(
        listed.brokers.map((broker: { name: string }) => broker.name),
        [target.bootstrap],
      );
      const [topic] = listed.topics.filter((each: { topic: string }) => each.topic === 'made-by-writing');
      assert.deepEqual(
        topic.partitions.map((each: { partition: number; leader: number }) => [each.partition, each.leader]),
        [[0, 1]],
      );
      const back = await kcat([
        ...base,
        '-C',
        '-t',
        'made-by-writing',
        '-e',
        '-q',
        '-o',
        'beginning',
        '-f',
        '%s',
      ]);
      assert.match(back, /kcat against a running broker/);
      const last = await kcat([
        ...base,
        '-C',
        '-t',
        'made-by-writing',
        '-e',
        '-q',
        '-o',
        '-1',
        '-f',
        '%p %o %S %R',
      ]);
      assert.equal(last.slice(0, 4), '0 0 ');
    } finally {
      await target.discard();
    }
  },
);
