import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokerBench } from '../../test/broker-bench.ts';
import type { MetadataStore, Session } from '../base/ports.ts';
import { Errors } from '../protocol/errors.ts';
import { simulatedPorts } from '../runtime/simulated-ports.ts';
import { NO_BROKER_CONFIGS } from './configs/resolve.ts';
import { Controller } from './controller.ts';
import type { NewTopic } from './controller/topics.ts';
import { follow } from './follow.ts';
import { ClusterImage } from './image.ts';
import { MemoryStoreServer } from './memory-store.ts';
import { MetadataStoreError } from './store-error.ts';

const SESSION_TTL_MS = 9_000;

const topic = (name: string, numPartitions = 1): NewTopic => ({
  name,
  numPartitions,
  replicationFactor: 1,
  assignments: [],
  configs: [],
});

/** A cluster of processes around one store, each with an image and a controller that may claim. */
async function cluster(count: number, seed: number) {
  const ports = simulatedPorts({ seed });
  const server = new MemoryStoreServer(ports);
  const nodes: { nodeId: number; image: ClusterImage; controller: Controller; session: Session }[] = [];
  for (let nodeId = 1; nodeId <= count; nodeId++) {
    const store = server.connect(ports);
    const image = new ClusterImage();
    await follow(store, image, ports);
    const { random, clock, logger } = ports;
    const options = { store, image, nodeId, random, clock, logger, brokerConfigs: () => NO_BROKER_CONFIGS };
    const controller = new Controller(options);
    await controller.createCluster();
    const session = await store.session(SESSION_TTL_MS);
    const incarnationId = `incarnation ${String(nodeId).padStart(4, '0')}`;
    const registration = {
      nodeId,
      incarnationId,
      rack: null,
      endpoints: [],
      directories: ['directory of one'],
    };
    await controller.registerBroker(registration, session, false);
    nodes.push({ nodeId, image, controller, session });
  }
  return { ports, server, nodes };
}

test('item 44: what the controller answered is in the image', async () => {
  const { controller, image } = await brokerBench();
  const [{ topicId }] = await controller.createTopics([topic('t', 3)]);
  assert.equal(image.topicById(topicId)?.partitions.length, 3);
  await controller.createPartitions([{ name: 't', count: 5, assignments: null }]);
  assert.equal(image.topics.get('t')?.partitions.length, 5);
  await controller.deleteTopics([topicId]);
  assert.equal(image.topics.size, 0);
});

test('a request for more topics than one transaction holds is done in parts', async () => {
  const { controller, image } = await brokerBench();
  const configs = [{ name: 'retention.ms', value: '1' }];
  const topics = Array.from({ length: 300 }, (_, n) => ({ ...topic(`t${n}`), configs }));
  const before = image.revision;
  const results = await controller.createTopics(topics);
  assert.deepEqual(
    [results.every((one) => one.errorCode === Errors.NONE), image.topics.size, image.revision - before],
    [true, 300, 5],
  );
  const ids = [...image.topics.values()].map(({ id }) => id);
  await controller.deleteTopics(ids);
  assert.deepEqual([image.topics.size, image.configuredNames('TOPIC').length], [0, 0]);
});

test('a topic of 10,000 partitions appears at one revision', async () => {
  const { controller, image } = await brokerBench();
  const before = image.revision;
  await controller.createTopics([topic('large', 10_000)]);
  assert.deepEqual([image.revision - before, image.topics.get('large')?.partitions.length], [1, 10_000]);
});

test('with validateOnly everything is decided and nothing is changed', async () => {
  const { controller, image } = await brokerBench();
  const before = image.revision;
  const [good, bad] = await controller.createTopics([topic('good'), topic('b@d')], { validateOnly: true });
  assert.deepEqual(
    [good.errorCode, good.numPartitions, bad.errorCode],
    [0, 1, Errors.INVALID_TOPIC_EXCEPTION],
  );
  assert.deepEqual([image.revision, image.topics.size], [before, 0]);
});

test('what deleted topics leave behind is gone soon after', async () => {
  const { controller, image, store } = await brokerBench();
  await controller.createTopics([topic('t', 300)]);
  await controller.renewTerms(1);
  assert.equal((await store.range('partitions/')).entries.length, 300);
  const id = image.topics.get('t')!.id;
  await controller.deleteTopics([id]);
  // In its turn behind the removals, which take three transactions.
  await controller.allocateProducerIds();
  await controller.allocateProducerIds();
  await controller.allocateProducerIds();
  await controller.allocateProducerIds();
  assert.equal((await store.range('partitions/')).entries.length, 0);
});

test('requests at the same time are decided one after the other', async () => {
  const { controller } = await brokerBench();
  const results = await Promise.all([
    controller.createTopics([topic('same')]),
    controller.createTopics([topic('same')]),
    controller.createTopics([topic('a.b')]),
    controller.createTopics([topic('a_b')]),
  ]);
  assert.deepEqual(
    results.map(([{ errorCode }]) => errorCode),
    [Errors.NONE, Errors.TOPIC_ALREADY_EXISTS, Errors.NONE, Errors.INVALID_TOPIC_EXCEPTION],
  );
});

test('a broker that is not the controller decides nothing', async () => {
  const { nodes } = await cluster(2, 1);
  assert.equal(await nodes[0].controller.claim(nodes[0].session), true);
  assert.equal(await nodes[1].controller.claim(nodes[1].session), false);
  await assert.rejects(nodes[1].controller.createTopics([topic('t')]), { code: Errors.NOT_CONTROLLER });
});

test('a deposed controller cannot write, also when it does not know yet', async () => {
  const { ports, server, nodes } = await cluster(2, 1);
  const [old, next] = nodes;
  await old.controller.claim(old.session);
  server.faults.watchLagMs = { min: 60_000, max: 60_000 };
  server.expireSession(old.session.id);
  server.faults.watchLagMs = undefined;
  await ports.time.advance(1_000);
  assert.equal(old.controller.isActive, true, 'the old controller has not heard of it');
  const refused = assert.rejects(old.controller.createTopics([topic('t')]), { code: Errors.NOT_CONTROLLER });
  await ports.time.advance(120_000);
  await refused;
  assert.equal(await next.controller.claim(next.session), true);
  await next.controller.createTopics([{ ...topic('t') }]);
  assert.equal(next.image.topics.size, 1);
});

test('a broker that comes back at once takes over the claim of its last life', async () => {
  const { ports, server, nodes } = await cluster(1, 1);
  const [former] = nodes;
  await former.controller.claim(former.session);
  const epoch = former.image.controllerEpoch;
  const store = server.connect(ports);
  const image = new ClusterImage();
  await follow(store, image, ports);
  const { random, clock, logger } = ports;
  const options = { store, image, nodeId: 1, random, clock, logger, brokerConfigs: () => NO_BROKER_CONFIGS };
  const controller = new Controller(options);
  const session = await store.session(SESSION_TTL_MS);
  const registration = {
    nodeId: 1,
    incarnationId: 'incarnation next',
    rack: null,
    endpoints: [],
    directories: ['directory of one'],
  };
  await assert.rejects(controller.registerBroker(registration, session, false), {
    code: Errors.DUPLICATE_BROKER_REGISTRATION,
  });
  await controller.registerBroker(registration, session, true);
  assert.equal(await controller.claim(session), true);
  assert.ok(image.controllerEpoch > epoch);
  await assert.rejects(former.controller.createTopics([topic('t')]), { code: Errors.NOT_CONTROLLER });
});

test('answers that get lost do not make anything happen twice', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { ports, server, nodes } = await cluster(1, seed);
    const [{ controller, image, session }] = nodes;
    await controller.claim(session);
    server.faults.indeterminate = 0.4;
    server.faults.latencyMs = { min: 1, max: 20 };
    server.faults.duplicateEvents = 0.3;
    const work = (async () => {
      const blocks = [];
      for (let n = 0; n < 10; n++) blocks.push(await controller.allocateProducerIds());
      return blocks.map((block) => block.first);
    })();
    const firsts = await ports.time.settle(work);
    assert.equal(new Set(firsts).size, 10, `seed ${seed}: ${firsts.join()}`);
    assert.ok(image.nextProducerId >= Math.max(...firsts) + 1_000, `seed ${seed}`);
  }
});

test('a request that has waited longer than its timeout is not begun', async () => {
  const { ports, server, nodes } = await cluster(1, 1);
  const [{ controller, image, session }] = nodes;
  await controller.claim(session);
  server.faults.latencyMs = { min: 400, max: 400 };
  const slow = controller.createTopics([topic('first')]);
  const late = assert.rejects(controller.createTopics([topic('second')], { timeoutMs: 100 }), {
    code: Errors.REQUEST_TIMED_OUT,
  });
  await ports.time.settle(Promise.all([slow, late]));
  assert.deepEqual([...image.topics.keys()], ['first']);
});

test('after an unclean stop every partition the broker leads has a new term, however many there are', async () => {
  const { controller, image } = await brokerBench();
  await controller.createTopics([topic('t', 500)]);
  await controller.renewTerms(1);
  assert.deepEqual(new Set(image.topics.get('t')!.partitions.map((one) => one.leaderEpoch)), new Set([1]));
});

/** A store whose transactions on a topic are of unknown outcome as long as it is said, and are done when it is said. */
function forgetful(store: MetadataStore) {
  const late: (() => Promise<unknown>)[] = [];
  const faults = { isForgetful: false, doneBy: 'later' as 'later' | 'the next read' };
  async function doLate(): Promise<void> {
    for (const one of late.splice(0)) await one();
  }
  const forgetting: MetadataStore = Object.assign(Object.create(store) as MetadataStore, {
    async range(prefix: string) {
      const before = await store.range(prefix);
      if (faults.doneBy === 'the next read') await doLate();
      return before;
    },
    txn(...call: Parameters<MetadataStore['txn']>) {
      const isTopic = call[1].some(({ key }) => key.startsWith('topics/'));
      if (!faults.isForgetful || !isTopic) return store.txn(...call);
      faults.isForgetful = false;
      late.push(() => store.txn(...call));
      return Promise.reject(new MetadataStoreError('indeterminate', 'nobody knows'));
    },
    session: (ttlMs: number) => store.session(ttlMs),
  });
  return { forgetting, faults, doLate };
}

for (const doneBy of ['later', 'the next read'] as const) {
  test(`a topic whose first transaction is done ${doneBy} is made once, and does not come back when it is deleted`, async () => {
    const { ports, server, nodes } = await cluster(1, 5);
    const { image } = nodes[0]!;
    const store = server.connect(ports);
    const { forgetting, faults, doLate } = forgetful(store);
    const { random, clock, logger } = ports;
    const controller = new Controller({
      store: forgetting,
      image,
      nodeId: 1,
      random,
      clock,
      logger,
      brokerConfigs: () => NO_BROKER_CONFIGS,
    });
    assert.ok(await ports.time.settle(controller.claim(nodes[0]!.session)));
    faults.isForgetful = true;
    faults.doneBy = doneBy;
    const [created] = await ports.time.settle(controller.createTopics([topic('t')]));
    assert.equal(created.errorCode, Errors.NONE);
    assert.equal(image.topics.get('t')?.id, created.topicId);
    const [deleted] = await ports.time.settle(controller.deleteTopics([created.topicId]));
    assert.equal(deleted.errorCode, Errors.NONE);
    await doLate();
    await ports.time.advance(100);
    assert.equal(image.topics.size, 0);
  });
}

test('what a request left undecided is settled before the next request is', async () => {
  const { ports, server, nodes } = await cluster(1, 6);
  const { image, session } = nodes[0]!;
  const store = server.connect(ports);
  const { forgetting, faults, doLate } = forgetful(store);
  const { random, clock, logger } = ports;
  const options = { image, nodeId: 1, random, clock, logger, brokerConfigs: () => NO_BROKER_CONFIGS };
  const controller = new Controller({ ...options, store: forgetting });
  assert.ok(await ports.time.settle(controller.claim(session)));
  faults.isForgetful = true;
  store.setReachable(false);
  await assert.rejects(ports.time.settle(controller.createTopics([topic('t')], { timeoutMs: 50 })), {
    code: Errors.REQUEST_TIMED_OUT,
  });
  store.setReachable(true);
  const [created] = await ports.time.settle(controller.createTopics([topic('t')]));
  await ports.time.settle(controller.deleteTopics([created.topicId]));
  await doLate();
  await ports.time.advance(100);
  assert.equal(image.topics.size, 0);
});
