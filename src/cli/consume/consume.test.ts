/** Producing and consuming through the commands: where reading begins and ends, what is printed, and how. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { produce, type ProduceFlags } from '../produce/produce.ts';
import { commandScene, type CommandScene, type Ran } from '../test-world.ts';
import { createTopic } from '../topics/topics.ts';
import { consume, type ConsumeFlags } from './consume.ts';

const CREATE = { configs: {}, ifNotExists: false, dryRun: false };
const PRODUCE: ProduceFlags = {
  format: 'lines',
  emptyIsNull: false,
  acks: 'all',
  compression: 'none',
  headers: {},
  createTopic: false,
};
const CONSUME: ConsumeFlags = {
  fromBeginning: false,
  follow: false,
  isolation: 'committed',
  headers: [],
  where: [],
  format: 'text',
  show: [],
  keyAs: 'text',
  valueAs: 'text',
};

async function* inPieces(text: string, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function send(scene: CommandScene, text: string, flags: Partial<ProduceFlags> = {}): Promise<Ran> {
  const input = { topic: 't', pieces: inPieces(text) };
  return scene.run((world) => produce(input, { ...PRODUCE, ...flags }, world));
}

function read(scene: CommandScene, flags: Partial<ConsumeFlags> = {}): Promise<Ran> {
  return scene.run((world) => consume('t', { ...CONSUME, ...flags }, world));
}

async function filled(): Promise<CommandScene> {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', { ...CREATE, partitions: 2 }, world));
  for (let n = 0; n < 10; n++) {
    const sent = await send(scene, `k${n}:v${n}\n`, { keySeparator: ':', partition: n % 2 });
    assert.equal(sent.failure, null);
    await scene.pass(1_000);
  }
  return scene;
}

const values = ({ text }: Ran): string[] => text.split('\n').filter((line) => line !== '');

test('what was produced in pieces is consumed whole, and the command ends', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', { ...CREATE, partitions: 1 }, world));
  const sent = await send(scene, 'a:ä\nb:\nc', { keySeparator: ':', emptyIsNull: true, headers: { h: 'x' } });
  assert.equal(sent.notes, 'sent 3 records (5 B) to t: partition 0 at 0 to 2\n');
  assert.equal((await read(scene)).text, 'ä\nnull\nc\n');
  const shown = await read(scene, { show: ['partition', 'offset', 'key', 'headers'] });
  assert.equal(shown.text, '0\t0\ta\th=x\tä\n0\t1\tb\th=x\tnull\n0\t2\tnull\th=x\tc\n');
  const json = await read(scene, { format: 'json' });
  assert.deepEqual(
    values(json).map((line) => JSON.parse(line)),
    [
      ['a', 'ä'],
      ['b', null],
      [null, 'c'],
    ].map(([key, value], offset) => ({
      topic: 't',
      partition: 0,
      offset,
      timestamp: JSON.parse(values(json)[offset]!).timestamp,
      key,
      value,
      headers: [['h', 'x']],
    })),
  );
  // What was printed can be produced again.
  const again = await send(scene, json.text, { format: 'records' });
  assert.equal(again.failure, null);
  const pattern = await read(scene, { format: '%t/%p@%o %k=%s (%K,%S) %h %%\\n', offset: 3 });
  assert.equal(pattern.text, 't/0@3 a=ä (1,2) h=x %\nt/0@4 b= (1,-1) h=x %\nt/0@5 =c (-1,1) h=x %\n');
  const hex = await read(scene, { format: 'hex', max: 1 });
  assert.match(
    hex.text,
    /^t-0 offset 0, .*\n  key: 1 bytes\n    000000  61 .* a\n  header h: .*\n.*\n  value: 2 bytes/,
  );
  await scene.end();
});

test('reading begins where it is told to, and ends at what was there', async () => {
  const scene = await filled();
  const startMs = scene.nowMs();
  assert.deepEqual(values(await read(scene)).sort(), [
    'v0',
    'v1',
    'v2',
    'v3',
    'v4',
    'v5',
    'v6',
    'v7',
    'v8',
    'v9',
  ]);
  assert.deepEqual(values(await read(scene, { tail: 3 })), ['v7', 'v8', 'v9']);
  assert.deepEqual(values(await read(scene, { partitions: [1], offset: 3 })), ['v7', 'v9']);
  assert.deepEqual(values(await read(scene, { partitions: [1], offset: -1 })), ['v9']);
  assert.equal(values(await read(scene, { max: 4 })).length, 4);
  const { timestamp } = JSON.parse(values(await read(scene, { format: 'json', grep: '^v6$' }))[0]!);
  assert.deepEqual(values(await read(scene, { fromTimeMs: timestamp })).sort(), ['v6', 'v7', 'v8', 'v9']);
  assert.deepEqual(values(await read(scene, { fromTimeMs: timestamp, untilTimeMs: timestamp + 1 })), ['v6']);
  assert.deepEqual(values(await read(scene, { fromTimeMs: startMs + 60_000 })), []);
  await scene.end();
});

test('filters choose by key, value, header and field', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', CREATE, world));
  const objects = '{"id":1,"user":{"name":"ada"}}\n{"id":2,"user":{"name":"bob"}}\nno json\n';
  await send(scene, objects, { headers: { from: 'here' } });
  await send(scene, 'k:3\n', { keySeparator: ':' });
  assert.deepEqual(values(await read(scene, { where: ['user.name=bob', 'id=2'] })), [
    '{"id":2,"user":{"name":"bob"}}',
  ]);
  assert.deepEqual(values(await read(scene, { grep: 'json$' })), ['no json']);
  assert.deepEqual(values(await read(scene, { key: 'k' })), ['3']);
  assert.equal(values(await read(scene, { headers: ['from=here'] })).length, 3);
  assert.equal(values(await read(scene, { headers: ['from=there'] })).length, 0);
  const passed = await read(scene, { key: 'k' });
  assert.equal(passed.notes, '1 record, 3 others passed over\n');
  const json = await read(scene, { format: 'json', valueAs: 'json', where: ['id=1'] });
  assert.deepEqual(JSON.parse(json.text).value, { id: 1, user: { name: 'ada' } });
  await scene.end();
});

test('following begins with what comes, and ends when it is told to', async () => {
  const scene = await filled();
  const stopping = new AbortController();
  const following = scene.run((world) => consume('t', { ...CONSUME, follow: true }, world), {
    signal: stopping.signal,
    onWrite: (text) => text.includes('new 2') && stopping.abort(new Error('interrupted')),
  });
  await scene.pass(2_000);
  await send(scene, 'new 1\nnew 2\n', { partition: 0 });
  const followed = await following;
  assert.deepEqual([followed.failure, values(followed)], [null, ['new 1', 'new 2']]);
  const limited = await scene.run((world) =>
    consume('t', { ...CONSUME, follow: true, tail: 2, max: 2 }, world),
  );
  assert.deepEqual(values(limited), ['new 1', 'new 2']);
  await scene.end();
});

test('a group goes on where it was, also after a limit within a batch', async () => {
  const scene = await commandScene();
  await scene.run((world) => createTopic('t', { ...CREATE, partitions: 1 }, world));
  await send(scene, '1\n2\n3\n4\n5\n');
  assert.deepEqual(values(await read(scene, { group: 'g', max: 2 })), ['1', '2']);
  assert.deepEqual(values(await read(scene, { group: 'g' })), ['3', '4', '5']);
  assert.deepEqual(values(await read(scene, { group: 'g' })), []);
  await send(scene, '6\n');
  assert.deepEqual(values(await read(scene, { group: 'g' })), ['6']);
  await scene.end();
});

test('what makes no sense is refused with the reason', async () => {
  const scene = await filled();
  const wrong: [Partial<ConsumeFlags>, RegExp][] = [
    [{ tail: 1, offset: 1 }, /--tail and --offset: one place/],
    [{ group: 'g', tail: 1 }, /--tail has no meaning/],
    [{ partitions: [7] }, /partitions 0 to 1/],
    [{ format: 'xml' }, /choose from text, json, hex/],
    [{ format: '%q' }, /%q means nothing/],
    [{ grep: '(' }, /no regular expression/],
    [{ where: ['x'] }, /write field=value/],
  ];
  for (const [flags, said] of wrong) {
    const { failure, text } = await read(scene, flags);
    assert.deepEqual([failure?.exitCode, text], [2, '']);
    assert.match(failure!.problems[0]!, said);
  }
  const unknown = await scene.run((world) =>
    produce({ topic: 'x', pieces: inPieces('a\n') }, PRODUCE, world),
  );
  assert.match(unknown.failure!.problems[0]!, /^UNKNOWN_TOPIC_OR_PARTITION: topic x$/);
  assert.match(unknown.failure!.advice!, /topics create/);
  const partition = await send(scene, 'a\n', { partition: 2 });
  assert.match(partition.failure!.problems[0]!, /t has partitions 0 to 1/);
  const half = await send(scene, '{"a":1}\n{"a":2}\nnot\n', { format: 'json' });
  assert.deepEqual([half.failure?.exitCode, half.notes.slice(0, 13)], [2, 'sent 1 record']);
  await scene.end();
});
