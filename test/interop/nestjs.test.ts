// NestJS's transport for Kafka over headrace/kafkajs: requests with replies, events, and several instances that share a topic of
// replies by NestJS's own assigner of partitions.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FACADE_VARIABLE, installNest, NEST_VERSION } from '../../scripts/peer-nest.ts';
import { Kafka, logLevel } from '../../src/kafkajs/kafkajs.ts';
import { obtain } from './peer.ts';
import { startTarget, type Target } from './target.ts';
import { until } from './until.ts';

process.env[FACADE_VARIABLE] = join(import.meta.dirname, '..', '..', 'src', 'kafkajs', 'kafkajs.ts');

/** Of NestJS what is used here: it is not among the packages that this checkout has, so its types are not either. */
interface Nest {
  readonly rxjs: { firstValueFrom<T>(source: unknown): Promise<T> };
  readonly Controller: () => ClassDecorator;
  readonly Module: (parts: object) => ClassDecorator;
  readonly MessagePattern: (pattern: string) => MethodDecorator;
  readonly EventPattern: (pattern: string) => MethodDecorator;
  readonly Payload: () => ParameterDecorator;
  readonly Ctx: () => ParameterDecorator;
  readonly RpcException: new (reason: string) => Error;
  readonly Transport: { readonly KAFKA: number };
  readonly NestFactory: { createMicroservice(module: unknown, options: object): Promise<Microservice> };
  readonly ClientKafka: new (options: object) => NestClient;
}

interface Microservice {
  listen(): Promise<void>;
  close(): Promise<void>;
}

interface NestClient {
  subscribeToResponseOf(pattern: string): void;
  connect(): Promise<unknown>;
  close(): Promise<void>;
  send(pattern: string, data: unknown): unknown;
  emit(pattern: string, data: unknown): unknown;
  getConsumerAssignments(): Readonly<Record<string, number>>;
}

interface Context {
  getTopic(): string;
  getPartition(): number;
  getMessage(): {
    readonly headers: Record<string, unknown>;
    readonly offset: string;
    readonly timestamp: string;
  };
}

interface Seen {
  readonly data: unknown;
  readonly topic: string;
  readonly tag: string;
}

/** A controller as decorators would make it, without the syntax that Node does not have. */
function controllerOf(nest: Nest, prefix: string, seen: Seen[]): new () => object {
  class Sums {
    add({ a, b }: { a: number; b: number }): number {
      return a + b;
    }
    fail(): never {
      throw new nest.RpcException('not today');
    }
    happened(data: unknown, context: Context): void {
      seen.push({ data, topic: context.getTopic(), tag: String(context.getMessage().headers.tag) });
    }
  }
  const decorate = (method: keyof Sums, decorator: MethodDecorator, more: ParameterDecorator[]): void => {
    more.forEach((one, index) => one(Sums.prototype, method, index));
    decorator(Sums.prototype, method, Object.getOwnPropertyDescriptor(Sums.prototype, method)!);
  };
  decorate('add', nest.MessagePattern(`${prefix}.add`), [nest.Payload()]);
  decorate('fail', nest.MessagePattern(`${prefix}.fail`), [nest.Payload()]);
  decorate('happened', nest.EventPattern(`${prefix}.happened`), [nest.Payload(), nest.Ctx()]);
  nest.Controller()(Sums);
  return Sums;
}

let target: Target | undefined;
before(async () => {
  target = await startTarget();
});
after(() => target?.discard());

const { installed, skip } = await obtain(installNest);
describe(`NestJS ${NEST_VERSION} over headrace/kafkajs`, { skip: skip ?? false }, () => {
  const prefix = 'sums';
  let nest: Nest;
  let service: Microservice;
  const clients: NestClient[] = [];
  const seen: Seen[] = [];

  const kafkaOf = (clientId: string): object => ({
    client: { clientId, brokers: [target!.bootstrap], logLevel: logLevel.NOTHING },
    consumer: { groupId: prefix, heartbeatInterval: 500 },
  });
  const connected = async (...patterns: string[]): Promise<NestClient> => {
    const client = new nest.ClientKafka(kafkaOf('asker'));
    clients.push(client);
    for (const pattern of patterns) client.subscribeToResponseOf(pattern);
    await client.connect();
    return client;
  };
  const ask = (client: NestClient, pattern: string, data: unknown): Promise<unknown> =>
    nest.rxjs.firstValueFrom(client.send(pattern, data));

  before(async () => {
    nest = (await import(installed!)) as Nest;
    const admin = new Kafka({ brokers: [target!.bootstrap], logLevel: logLevel.NOTHING }).admin();
    const names = ['add', 'fail', 'happened', 'add.reply', 'fail.reply'];
    await admin.createTopics({
      topics: names.map((name) => ({ topic: `${prefix}.${name}`, numPartitions: 3 })),
    });
    await admin.disconnect();
    class App {}
    nest.Module({ controllers: [controllerOf(nest, prefix, seen)] })(App);
    const options = { transport: nest.Transport.KAFKA, options: kafkaOf('service'), logger: false };
    service = await nest.NestFactory.createMicroservice(App, options);
    await service.listen();
  });
  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await service?.close();
  });

  test('the facade is what NestJS has loaded', async () => {
    const client = await connected(`${prefix}.add`, `${prefix}.fail`);
    assert.ok((client as unknown as { client: unknown }).client instanceof Kafka);
  });

  test('a request has its reply, many at a time have theirs, and what goes wrong is told', async () => {
    const [client] = clients;
    assert.equal(await ask(client!, `${prefix}.add`, { a: 1, b: 2 }), '3');
    const many = Array.from({ length: 100 }, (_, n) => ask(client!, `${prefix}.add`, { a: n, b: 1 }));
    assert.deepEqual(
      await Promise.all(many),
      Array.from({ length: 100 }, (_, n) => `${n + 1}`),
    );
    const failed = await ask(client!, `${prefix}.fail`, {}).catch((error: unknown) => error);
    assert.match(JSON.stringify(failed), /not today/);
  });

  test('an event comes to its handler, with its topic and its headers', async () => {
    const [client] = clients;
    const values = Array.from({ length: 20 }, (_, n) => ({ n }));
    for (const value of values) {
      await nest.rxjs.firstValueFrom(
        client!.emit(`${prefix}.happened`, { key: `k${value.n}`, value, headers: { tag: `t${value.n}` } }),
      );
    }
    await until('all events have come', () => seen.length === values.length);
    const byNumber = [...seen].sort((a, b) => (a.data as { n: number }).n - (b.data as { n: number }).n);
    assert.deepEqual(
      byNumber,
      values.map((data) => ({ data, topic: `${prefix}.happened`, tag: `t${data.n}` })),
    );
  });

  test('instances share the topic of replies, and each gets its own', async () => {
    const [first] = clients;
    const second = await connected(`${prefix}.add`, `${prefix}.fail`);
    const partitionOf = (client: NestClient): number | undefined =>
      client.getConsumerAssignments()[`${prefix}.add.reply`];
    await until('both have a partition of the replies', () => {
      const [one, other] = [partitionOf(first!), partitionOf(second)];
      return one !== undefined && other !== undefined && one !== other;
    });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        ask(n % 2 === 0 ? first! : second, `${prefix}.add`, { a: n, b: n }),
      ),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 40 }, (_, n) => `${2 * n}`),
    );
  });
});
