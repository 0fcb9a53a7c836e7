/** Quotas and rules of access, as the commands show them: brokers that keep what they are told, as Kafka's do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestCluster } from '../client/test-cluster.ts';
import { addAcls, listAcls, removeAcls, type AclFlags } from './acls/acls.ts';
import { changeQuotas, listQuotas, parseEntity, parseQuotas } from './quotas/quotas.ts';
import { commandRunner } from './test-world.ts';

const LITERAL = 3;
const MATCH = 2;
const ANY = 1;

interface Rule {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly resourcePatternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

// oxlint-disable-next-line typescript/no-explicit-any
function matches(rule: Rule, filter: any): boolean {
  const { resourceNameFilter: name, patternTypeFilter: pattern } = filter;
  const isNamed =
    name === null ||
    rule.resourceName === name ||
    (pattern === MATCH && rule.resourcePatternType !== LITERAL && name.startsWith(rule.resourceName));
  return (
    isNamed &&
    (pattern === ANY || pattern === MATCH || pattern === rule.resourcePatternType) &&
    (filter.resourceTypeFilter === ANY || filter.resourceTypeFilter === rule.resourceType) &&
    (filter.principalFilter === null || filter.principalFilter === rule.principal) &&
    (filter.hostFilter === null || filter.hostFilter === rule.host) &&
    (filter.operation === ANY || filter.operation === rule.operation) &&
    (filter.permissionType === ANY || filter.permissionType === rule.permissionType)
  );
}

/** A cluster that keeps rules and quotas in memory. */
function keeper(): ReturnType<typeof commandRunner> {
  const cluster = new TestCluster();
  let rules: Rule[] = [];
  cluster.handlers.set(30, ({ body }) => {
    rules.push(...body.creations);
    return { throttleTimeMs: 0, results: body.creations.map(() => ({ errorCode: 0, errorMessage: null })) };
  });
  cluster.handlers.set(29, ({ body }) => ({
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    resources: rules
      .filter((rule) => matches(rule, body))
      .map(({ resourceType, resourceName, resourcePatternType: patternType, ...acl }) => ({
        resourceType,
        resourceName,
        patternType,
        acls: [acl],
      })),
  }));
  cluster.handlers.set(31, ({ body }) => ({
    throttleTimeMs: 0,
    filterResults: body.filters.map((filter: object) => {
      const found = rules.filter((rule) => matches(rule, filter));
      rules = rules.filter((rule) => !found.includes(rule));
      const matchingAcls = found.map(({ resourcePatternType: patternType, ...rule }) => ({
        errorCode: 0,
        errorMessage: null,
        patternType,
        ...rule,
      }));
      return { errorCode: 0, errorMessage: null, matchingAcls };
    }),
  }));
  const quotas = new Map<string, Map<string, number>>();
  cluster.handlers.set(49, ({ body }) => {
    for (const { entity, ops } of body.entries) {
      const name = JSON.stringify(entity);
      const values = quotas.get(name) ?? new Map<string, number>();
      quotas.set(name, values);
      for (const { key, value, remove } of ops) {
        if (remove) values.delete(key);
        else values.set(key, value);
      }
      if (values.size === 0) quotas.delete(name);
    }
    const entries = body.entries.map(({ entity }: { entity: object }) => ({
      errorCode: 0,
      errorMessage: null,
      entity,
    }));
    return { throttleTimeMs: 0, entries };
  });
  cluster.handlers.set(48, () => ({
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    entries: [...quotas].map(([name, values]) => ({
      entity: JSON.parse(name),
      values: [...values].map(([key, value]) => ({ key, value })),
    })),
  }));
  const settle = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
  return commandRunner(() => cluster.clientPorts(), { settle, bootstrap: cluster.bootstrap });
}

test('quotas are set, listed and removed', async () => {
  const scene = keeper();
  const entity = parseEntity('user/ada,client-id');
  const quotas = parseQuotas({ producer_byte_rate: '1MB', request_percentage: '50' });
  const set = await scene.run((world) => changeQuotas(entity, quotas, world));
  assert.match(set.text, /^user\/ada,client-id \(default\): producer_byte_rate=1048576\n/);
  const listed = await scene.data<{ entity: object; quotas: object }[]>((world) => listQuotas(entity, world));
  assert.deepEqual(listed, [
    {
      entity: { user: 'ada', 'client-id': null },
      quotas: { producer_byte_rate: 1_048_576, request_percentage: 50 },
    },
  ]);
  await scene.run((world) =>
    changeQuotas(entity, { producer_byte_rate: null, request_percentage: null }, world),
  );
  assert.equal((await scene.run((world) => listQuotas(undefined, world))).text, 'no quotas\n');
  for (const text of ['group/x', 'user/', 'user/a,user/b']) assert.throws(() => parseEntity(text));
  assert.throws(() => parseQuotas({ producer_byte_rate: 'much' }));
});

const RULE: AclFlags = {
  topics: [],
  groups: [],
  transactionalIds: [],
  cluster: false,
  prefixed: false,
  operations: [],
  deny: false,
};

test('rules of access are added, found by what they bear on, and removed', async () => {
  const scene = keeper();
  const add = (flags: Partial<AclFlags>) => scene.run((world) => addAcls({ ...RULE, ...flags }, world));
  const added = await add({
    principal: 'ada',
    topics: ['orders', 'items'],
    operations: ['read', 'describe'],
  });
  assert.match(added.text, /User:ada +allow +read +topic +orders +\*/);
  await add({ principal: 'User:bob', topics: ['ord'], prefixed: true, operations: ['WRITE'], deny: true });
  const found = await scene.run((world) => listAcls({ ...RULE, topics: ['orders'] }, world));
  assert.equal(found.text.match(/User:/g)?.length, 3);
  assert.match(found.text, /User:bob +deny +write +topic +ord\.\.\./);
  for (const flags of [{ topics: ['x'] }, { principal: 'ada' }, { principal: 'ada', topics: ['x'] }]) {
    assert.equal((await add(flags)).failure?.exitCode, 2);
  }
  const remove = (flags: Partial<AclFlags>, dryRun: boolean) =>
    scene.run((world) => removeAcls({ ...RULE, ...flags, dryRun }, world));
  assert.equal((await remove({}, false)).failure?.exitCode, 2);
  assert.match((await remove({ principal: 'ada' }, true)).text, /^4 rules would be removed/);
  assert.match((await remove({ principal: 'ada' }, false)).text, /^4 rules removed/);
  const left = await scene.data<unknown[]>((world) => listAcls(RULE, world));
  assert.equal(left.length, 1);
});
