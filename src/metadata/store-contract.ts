/** What every MetadataStore keeps to: one list of checks for all implementations. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Compare, MetadataStore, Operation, RangeResult, Watcher } from '../base/ports.ts';
import { OPERATIONS_PER_TXN_MAX, TXN_BYTES_MAX } from './keyspace.ts';

export function put(key: string, value: string, sessionId?: string): Operation {
  const operation = { type: 'put', key, value: Buffer.from(value) } as const;
  return sessionId === undefined ? operation : { ...operation, sessionId };
}

export function remove(key: string): Operation {
  return { type: 'delete', key };
}

/** `key=value` for each, as texts. */
export function shown(result: RangeResult): string[] {
  return result.entries.map((entry) => `${entry.key}=${entry.value.toString()}`);
}

/** Notes what it is told: `7: a=1, b gone`, or `lost compacted`. */
export function recordingWatcher(): Watcher & { readonly log: string[] } {
  const log: string[] = [];
  return {
    log,
    onEvents(revision, events) {
      const texts = events.map(({ key, value }) =>
        value === undefined ? `${key} gone` : `${key}=${value.toString()}`,
      );
      log.push(`${revision}: ${texts.join(', ')}`);
    },
    onLost: (error) => void log.push(`lost ${(error as { code?: string }).code}`),
  };
}

/** Until all promise callbacks have run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** `make` gives an empty store; it answers without virtual time having to pass, or `settle` lets it pass. */
export function testStoreContract(
  name: string,
  make: () => Promise<MetadataStore> | MetadataStore,
  settle: () => Promise<unknown> = turn,
): void {
  const check = (behaviour: string, body: (store: MetadataStore) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, async () => {
      const store = await make();
      await body(store);
      await store.close();
    });
  };

  check('each change has the next revision, for all its operations', async (store) => {
    const { revision, entries } = await store.range('');
    assert.ok(revision >= 1);
    assert.deepEqual(entries, []);
    assert.deepEqual(await store.txn([], [put('a', '1'), put('b', '2')]), {
      succeeded: true,
      revision: revision + 1,
    });
    assert.deepEqual(await store.txn([], [remove('a')]), { succeeded: true, revision: revision + 2 });
    const after = await store.range('');
    assert.equal(after.revision, revision + 2);
    assert.deepEqual(shown(after), ['b=2']);
  });

  check('what changes nothing has no revision', async (store) => {
    const { revision } = await store.txn([], [put('a', '1')]);
    assert.deepEqual(await store.txn([], [remove('missing')]), { succeeded: true, revision });
    assert.deepEqual(await store.txn([], []), { succeeded: true, revision });
    const failing: Compare[] = [{ key: 'a', createRevision: 0 }];
    assert.deepEqual(await store.txn(failing, [put('b', '2')]), { succeeded: false, revision });
    assert.deepEqual(shown(await store.range('')), ['a=1']);
  });

  check('a key knows when it was made and when it was changed', async (store) => {
    const revisionsOf = async (): Promise<number[]> => {
      const [entry] = (await store.range('a')).entries;
      return [entry!.createRevision, entry!.modRevision];
    };
    const made = (await store.txn([], [put('a', '1')])).revision;
    assert.deepEqual(await revisionsOf(), [made, made]);
    const changed = (await store.txn([], [put('a', '2')])).revision;
    assert.deepEqual(await revisionsOf(), [made, changed]);
    await store.txn([], [remove('a')]);
    const again = (await store.txn([], [put('a', '3')])).revision;
    assert.deepEqual(await revisionsOf(), [again, again]);
  });

  check('compares are all or nothing', async (store) => {
    const a = (await store.txn([], [put('a', '1')])).revision;
    const b = (await store.txn([], [put('b', '1')])).revision;
    const cases: [Compare[], boolean][] = [
      [
        [
          { key: 'a', modRevision: a },
          { key: 'b', createRevision: b },
        ],
        true,
      ],
      [
        [
          { key: 'a', createRevision: a },
          { key: 'c', modRevision: 0 },
        ],
        true,
      ],
      [
        [
          { key: 'b', modRevision: b },
          { key: 'b', createRevision: a },
        ],
        false,
      ],
      [[{ key: 'a', modRevision: 0 }], false],
      [[{ key: 'c', createRevision: b }], false],
    ];
    for (const [compares, succeeded] of cases) {
      assert.equal((await store.txn(compares, [])).succeeded, succeeded, JSON.stringify(compares));
    }
  });

  check('of those who change the same thing at once one wins', async (store) => {
    for (let round = 0; round < 20; round++) {
      const [entry] = (await store.range('counter')).entries;
      const compare = { key: 'counter', modRevision: entry?.modRevision ?? 0 };
      const results = await Promise.all(
        Array.from({ length: 10 }, (_, index) => store.txn([compare], [put('counter', `${round}/${index}`)])),
      );
      assert.equal(results.filter((result) => result.succeeded).length, 1);
    }
  });

  check('a range is ordered and ends with its prefix', async (store) => {
    await store.txn(
      [],
      ['p/2', 'p', 'p/10', 'p0', 'p/', 'o/9', 'p/1'].map((key) => put(key, 'x')),
    );
    assert.deepEqual(shown(await store.range('p/')), ['p/=x', 'p/1=x', 'p/10=x', 'p/2=x']);
    assert.deepEqual(shown(await store.range('p/1')), ['p/1=x', 'p/10=x']);
    assert.deepEqual(shown(await store.range('q')), []);
    assert.equal((await store.range('')).entries.length, 7);
  });

  check('what is too much or names a key twice is refused whole', async (store) => {
    const many = Array.from({ length: OPERATIONS_PER_TXN_MAX + 1 }, (_, index) => put(`k${index}`, ''));
    const refused: Operation[][] = [
      many,
      [put('a', '1'), remove('a')],
      [put('', '1')],
      [put('a', '1'), { type: 'put', key: 'b', value: Buffer.alloc(TXN_BYTES_MAX) }],
      [put('a', '1'), put('b', '2', 'no such session')],
    ];
    for (const operations of refused) {
      await assert.rejects(store.txn([], operations), {
        name: 'MetadataStoreError',
        code: /refused|sessionNotFound/,
      });
    }
    assert.deepEqual((await store.range('')).entries, []);
    await store.txn([], many.slice(1));
  });

  check('a value belongs to the store once it was handed over', async (store) => {
    const value = Buffer.from('before');
    const done = store.txn([], [{ type: 'put', key: 'a', value }]);
    value.fill('X');
    await done;
    assert.deepEqual(shown(await store.range('')), ['a=before']);
  });

  check('a watch gets every revision from where it begins, in order, each in one call', async (store) => {
    const first = (await store.txn([], [put('a/1', 'x'), put('b', 'no'), put('a/2', 'y')])).revision;
    await store.txn([], [put('b', 'no')]);
    await store.txn([], [remove('a/1'), put('a/2', 'z')]);
    const early = recordingWatcher();
    const late = recordingWatcher();
    const future = recordingWatcher();
    store.watch('a/', first, early);
    store.watch('a/', first + 1, late);
    store.watch('a/', first + 5, future);
    assert.deepEqual(early.log, [], 'nothing is told before the watch is handed over');
    for (const value of ['3', '4', '5', '6']) await store.txn([], [put('a/3', value)]);
    await settle();
    const rest = [3, 4, 5, 6].map((value) => `${first + value}: a/3=${value}`);
    const removal = `${first + 2}: a/1 gone, a/2=z`;
    assert.deepEqual(early.log, [`${first}: a/1=x, a/2=y`, removal, ...rest]);
    assert.deepEqual(late.log, [removal, ...rest]);
    assert.deepEqual(future.log, rest.slice(2));
  });

  check('a watch that was cancelled hears nothing more', async (store) => {
    const watcher = recordingWatcher();
    const { revision } = await store.range('');
    const watch = store.watch('', revision + 1, watcher);
    await store.txn([], [put('a', '1')]);
    await settle();
    watch.cancel();
    watch.cancel();
    await store.txn([], [put('a', '2')]);
    await settle();
    assert.deepEqual(watcher.log, [`${revision + 1}: a=1`]);
  });

  check('the keys of a session vanish with it, at one revision', async (store) => {
    const session = await store.session(10_000);
    const other = await store.session(10_000);
    assert.notEqual(session.id, other.id);
    session.onLost = () => assert.fail('closing is not losing');
    await store.txn(
      [],
      [put('a', '1', session.id), put('b', '2', session.id), put('c', '3', other.id), put('d', '4')],
    );
    // Put again without the session, or with another: no longer its own.
    await store.txn([], [put('b', '2')]);
    await store.txn([], [put('e', '5', session.id)]);
    const { revision } = await store.txn([], [put('f', '6', session.id)]);
    await store.txn([], [put('f', '6', other.id)]);
    const watcher = recordingWatcher();
    store.watch('', revision + 2, watcher);
    await session.close();
    await session.close();
    await settle();
    assert.deepEqual(shown(await store.range('')), ['b=2', 'c=3', 'd=4', 'f=6']);
    assert.deepEqual(watcher.log, [`${revision + 2}: a gone, e gone`]);
    await assert.rejects(store.txn([], [put('g', '7', session.id)]), { code: 'sessionNotFound' });
    await other.close();
    assert.deepEqual(shown(await store.range('')), ['b=2', 'd=4']);
  });

  check('a closed store refuses', async (store) => {
    await store.close();
    await store.close();
    await assert.rejects(store.range(''), { code: 'closed' });
    await assert.rejects(store.txn([], []), { code: 'closed' });
    await assert.rejects(store.session(1000), { code: 'closed' });
  });
}
