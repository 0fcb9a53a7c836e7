/** Each check on histories made by hand: what it must find, and what it must let pass. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkHistory } from './checks.ts';
import type { CommittedRange, Isolation, Line, Polled, Step } from './history.ts';

/** Writes histories in few words; every line is a millisecond later than the one before. */
class Script {
  readonly lines: Line[] = [];
  #nowUs = 0;

  note(line: object): this {
    this.#nowUs += 1000;
    this.lines.push({ atUs: this.#nowUs, ...line } as Line);
    return this;
  }
  wait(ms: number): this {
    this.#nowUs += ms * 1000;
    return this;
  }
  begin(process: string, steps: readonly Step[], options: Options = {}): this {
    return this.note(transaction(process, 'invoke', steps, options));
  }
  end(process: string, type: 'ok' | 'fail' | 'info', steps: readonly Step[], options: Options = {}): this {
    // Asked to commit when it began, unless it is said otherwise.
    const commitAtUs = type === 'fail' ? undefined : (options.commitAtUs ?? 0);
    return this.note({ ...transaction(process, type, steps, options), commitAtUs });
  }
  /** A transaction that nothing else happens in. */
  whole(process: string, type: 'ok' | 'fail' | 'info', steps: readonly Step[], options: Options = {}): this {
    const announced = steps.map((step): Step =>
      'send' in step ? { send: [step.send[0], step.send[1]] } : { poll: null },
    );
    return this.begin(process, announced, options).end(process, type, steps, options);
  }
  init(process: string, producer: string, id = 'tx'): this {
    const line = { process, f: 'init', id, producer };
    return this.note({ ...line, type: 'invoke' }).note({ ...line, type: 'ok' });
  }
  assign(consumer: string, positions: Record<string, number>, isolation: Isolation = 'read_committed'): this {
    return this.note({ process: consumer, f: 'assign', type: 'ok', consumer, isolation, positions });
  }
  poll(consumer: string, poll: Polled): this {
    return this.note({ process: consumer, f: 'poll', type: 'ok', consumer, poll });
  }
  ends(isolation: Isolation, offsets: Record<string, number>): this {
    return this.note({ process: 'admin', f: 'ends', type: 'ok', isolation, offsets });
  }
  committed(group: string, offsets: Record<string, number>): this {
    return this.note({
      process: 'x',
      f: 'committed',
      type: 'ok',
      group,
      offsets,
      sinceUs: this.#nowUs + 500,
    });
  }
  /** A member asks at once, and is answered a millisecond later. */
  commit(group: string, offsets: Record<string, number>, type: 'ok' | 'fail' | 'info' = 'ok'): this {
    return this.note({ process: 'm', f: 'commit', type, group, offsets, sinceUs: this.#nowUs + 500 });
  }
  owned(member: string, generation: number, keys: readonly string[]): this {
    return this.note({ process: member, f: 'owned', type: 'ok', group: 'g', generation, member, keys });
  }
  complete(): this {
    return this.note({ process: 'admin', f: 'complete', type: 'ok' });
  }
  kinds(lagMsMax = Infinity): string[] {
    return checkHistory(this.lines, { lagMsMax }).anomalies.map(({ kind }) => kind);
  }
}

interface Options {
  readonly producer?: string;
  readonly id?: string;
  readonly consumer?: string;
  readonly commitAtUs?: number;
  readonly offsets?: CommittedRange;
}

function transaction(process: string, type: string, steps: readonly Step[], options: Options): object {
  return { process, f: 'txn', type, id: 'tx', producer: 'tx#1', steps, ...options };
}

const send = (key: string, value: number, offset?: number): Step => ({
  send: offset === undefined ? [key, value] : [key, value, offset],
});
const polled = (poll: Polled): Step => ({ poll });
const script = (): Script => new Script();

describe('values', () => {
  test('two values at one offset, by acknowledgement and poll', () => {
    const base = script()
      .whole('p', 'ok', [send('a', 1, 0)])
      .whole('q', 'info', [send('a', 2)]);
    base.assign('c', { a: 0 });
    assert.deepEqual(base.poll('c', { a: [[0, 2]] }).kinds(), ['inconsistent-offsets']);
  });

  test('a value at two offsets', () => {
    const one = script()
      .whole('p', 'ok', [send('a', 1, 0)])
      .assign('c', { a: 0 });
    assert.deepEqual(one.poll('c', { a: [[0, 1]] }).kinds(), []);
    assert.deepEqual(one.poll('c', { a: [[2, 1]] }).kinds(), ['duplicate']);
  });

  test('a value that nobody sent, or sent elsewhere', () => {
    const one = script()
      .whole('p', 'info', [send('a', 1)])
      .assign('c', { a: 0, b: 0 });
    assert.deepEqual(one.poll('c', { a: [[0, 7]], b: [[0, 1]] }).kinds(), ['phantom', 'phantom']);
  });

  test('an aborted value is not to be seen by read_committed, and may be by read_uncommitted', () => {
    const one = script().whole('p', 'fail', [send('a', 1, 0)]);
    one.assign('u', { a: 0 }, 'read_uncommitted').poll('u', { a: [[0, 1]] });
    assert.deepEqual(one.kinds(), []);
    one.assign('c', { a: 0 }).poll('c', { a: [[0, 1]] });
    assert.deepEqual(one.kinds(), ['G1a']);
  });

  test('a transaction that nobody knows the end of may be seen or not', () => {
    const one = script()
      .begin('p', [send('a', 1)])
      .assign('c', { a: 0 });
    assert.deepEqual(one.kinds(), []);
    assert.deepEqual(one.poll('c', { a: [[0, 1]] }).kinds(), []);
  });

  test('nobody reads a write before its commit is asked for; the answer need not be there yet', () => {
    const early = script()
      .assign('c', { a: 0 })
      .begin('p', [send('a', 1)]);
    early.poll('c', { a: [[0, 1]] }).end('p', 'ok', [send('a', 1, 0)], { commitAtUs: 9_000 });
    assert.deepEqual(early.kinds(), ['uncommitted-read']);
    const right = script()
      .assign('c', { a: 0 })
      .begin('p', [send('a', 1)]);
    right.poll('c', { a: [[0, 1]] }).end('p', 'ok', [send('a', 1, 0)], { commitAtUs: 2_500 });
    assert.deepEqual(right.kinds(), []);
  });

  test('a transaction does not read its own writes', () => {
    const one = script().assign('c', { a: 0 });
    one.whole('p', 'ok', [send('a', 1, 0), polled({ a: [[0, 1]] })], { consumer: 'c' });
    assert.deepEqual(one.kinds(), ['precommitted-read']);
  });
});

describe('visibility', () => {
  test('what lies below what was read must be read, what lies behind it need not yet', () => {
    const one = script()
      .whole('p', 'ok', [send('a', 1, 0)])
      .whole('p', 'ok', [send('a', 2, 2)]);
    one.whole('p', 'ok', [send('a', 3, 4)]).assign('c', { a: 1 });
    assert.deepEqual(one.poll('c', { a: [[2, 2]] }).kinds(), ['lost-write']);
  });

  test('once everything is read, nothing may be unseen', () => {
    const one = script()
      .whole('p', 'ok', [send('a', 1, 0)])
      .complete();
    assert.deepEqual(one.kinds(), ['unseen']);
    const open = script()
      .whole('p', 'info', [send('a', 1, 0)])
      .complete();
    assert.deepEqual(open.kinds(), []);
  });

  test('a transaction is seen as a whole, also one whose end nobody knows', () => {
    const one = script()
      .begin('p', [send('a', 1), send('b', 2)])
      .assign('c', { a: 0, b: 0 });
    one.poll('c', { a: [[0, 1]] });
    assert.deepEqual(one.kinds(), []);
    assert.deepEqual(one.complete().kinds(), ['unseen', 'torn-transaction']);
    assert.deepEqual(one.poll('c', { b: [[0, 2]] }).kinds(), []);
  });

  test('plain sends are no transaction', () => {
    const one = script().note({
      process: 'p',
      f: 'send',
      type: 'invoke',
      steps: [send('a', 1), send('b', 2)],
    });
    one.note({ process: 'p', f: 'send', type: 'info', steps: [send('a', 1, 0)] });
    one.assign('c', { a: 0 }).poll('c', { a: [[0, 1]] });
    assert.deepEqual(one.complete().kinds(), []);
  });

  test('an older producer commits nothing after a newer one was initialised', () => {
    const late = (type: 'ok' | 'info', commitAtUs: number): Script =>
      script()
        .init('p', 'tx#1')
        .begin('p', [send('a', 1)])
        .init('q', 'tx#2')
        .end('p', type, [send('a', 1, 0)], { commitAtUs });
    assert.deepEqual(late('ok', 6_000).kinds(), ['zombie']);
    assert.deepEqual(late('info', 6_000).kinds(), []);
    assert.deepEqual(late('ok', 3_500).kinds(), []);
    const empty = script().init('p', 'tx#1').init('q', 'tx#2').whole('p', 'ok', [], { commitAtUs: 9_000 });
    assert.deepEqual(empty.kinds(), []);
    const read = late('info', 6_000).assign('c', { a: 0 });
    assert.deepEqual(read.poll('c', { a: [[0, 1]] }).kinds(), ['zombie']);
    const unknown = script()
      .init('p', 'tx#1')
      .init('q', 'tx#2')
      .begin('p', [send('a', 1)]);
    unknown.assign('c', { a: 0 }).poll('c', { a: [[0, 1]] });
    assert.deepEqual(unknown.kinds(), ['zombie']);
  });

  test('inits at the same time fence each other in either order', () => {
    const one = script().note({ process: 'p', f: 'init', type: 'invoke', id: 'tx', producer: 'tx#1' });
    one.init('q', 'tx#2').note({ process: 'p', f: 'init', type: 'ok', id: 'tx', producer: 'tx#1' });
    one.whole('p', 'ok', [send('a', 1, 0)], { commitAtUs: 9_000 });
    assert.deepEqual(one.kinds(), []);
  });

  test('at the end the last stable offset is the end', () => {
    const one = script().ends('read_committed', { a: 3, b: 2 }).ends('read_uncommitted', { a: 3, b: 4 });
    assert.deepEqual(one.kinds(), []);
    assert.deepEqual(one.complete().kinds(), ['stuck-lso']);
  });

  test('a committed write is read in time, outages not counted', () => {
    const lagging = (isDown: boolean): Script => {
      const one = script()
        .assign('c', { a: 0 })
        .whole('p', 'ok', [send('a', 1, 0)]);
      if (isDown) one.note({ process: 'n', f: 'fault', type: 'ok', what: 'down', how: 'kill' });
      one.wait(500);
      if (isDown) one.note({ process: 'n', f: 'fault', type: 'ok', what: 'up', how: 'kill' });
      return one.poll('c', { a: [[0, 1]] });
    };
    assert.deepEqual(lagging(false).kinds(100), ['lag']);
    assert.deepEqual(lagging(true).kinds(100), []);
  });
});

describe('order', () => {
  const three = (): Script =>
    script()
      .whole('p', 'ok', [send('a', 1, 0), send('a', 2, 1), send('a', 3, 2)])
      .assign('all', { a: 0 })
      .poll('all', {
        a: [
          [0, 1],
          [1, 2],
          [2, 3],
        ],
      });

  test('a consumer reads forwards, unless it is moved', () => {
    const one = three().poll('all', { a: [[1, 2]] });
    assert.deepEqual(one.kinds(), ['nonmonotonic-poll']);
    assert.deepEqual(
      three()
        .assign('all', { a: 1 })
        .poll('all', { a: [[1, 2]] })
        .kinds(),
      [],
    );
    const within: Polled = {
      a: [
        [1, 2],
        [0, 1],
      ],
    };
    assert.deepEqual(three().assign('all', { a: 0 }).poll('all', within).kinds(), [
      'poll-skip',
      'int-nonmonotonic-poll',
    ]);
  });

  test('a consumer leaves out nothing that others read', () => {
    const skip: Polled = {
      a: [
        [0, 1],
        [2, 3],
      ],
    };
    assert.deepEqual(three().assign('c', { a: 0 }).poll('c', skip).kinds(), ['int-poll-skip']);
    const over = three()
      .assign('c', { a: 0 })
      .poll('c', { a: [[0, 1]] });
    assert.deepEqual(over.poll('c', { a: [[2, 3]] }).kinds(), ['poll-skip']);
  });

  test('offsets of markers and of aborted records are no gap', () => {
    const one = script()
      .whole('p', 'fail', [send('a', 1, 0)])
      .whole('p', 'ok', [send('a', 2, 2)]);
    one.assign('u', { a: 0 }, 'read_uncommitted');
    one.poll('u', { a: [[0, 1]] });
    assert.deepEqual(
      one
        .assign('c', { a: 0 })
        .poll('c', { a: [[2, 2]] })
        .kinds(),
      [],
    );
  });

  test('a consumer gets nothing that it is not assigned', () => {
    assert.deepEqual(
      three()
        .assign('c', { b: 0 })
        .poll('c', { a: [[0, 1]] })
        .kinds(),
      ['unassigned-poll'],
    );
  });

  test('later sends have greater offsets', () => {
    const within = script().whole('p', 'ok', [send('a', 1, 1), send('a', 2, 0)]);
    assert.deepEqual(within.kinds(), ['int-nonmonotonic-send']);
    const later = script()
      .whole('p', 'ok', [send('a', 1, 1)])
      .whole('p', 'ok', [send('a', 2, 0)]);
    assert.deepEqual(later.kinds(), ['nonmonotonic-send']);
    const other = script()
      .whole('p', 'ok', [send('a', 1, 1)])
      .whole('q', 'ok', [send('a', 2, 0)]);
    assert.deepEqual(other.kinds(), ['nonmonotonic-send']);
    const same = script()
      .begin('p', [send('a', 1)])
      .whole('q', 'ok', [send('a', 2, 0)]);
    assert.deepEqual(same.end('p', 'ok', [send('a', 1, 1)]).kinds(), []);
  });
});

describe('cycles', () => {
  test('two transactions that read each other', () => {
    const one = script().assign('c', { a: 0 }).assign('d', { b: 0 });
    one.begin('p', [send('b', 1), { poll: null }], { consumer: 'c' });
    one.begin('q', [send('a', 2), { poll: null }], { consumer: 'd' });
    one.end('p', 'ok', [send('b', 1, 0), polled({ a: [[0, 2]] })], { consumer: 'c' });
    assert.deepEqual(one.kinds(), []);
    one.end('q', 'ok', [send('a', 2, 0), polled({ b: [[0, 1]] })], { consumer: 'd' });
    assert.deepEqual(one.kinds(), ['G1c']);
  });

  test('a long chain is no cycle', () => {
    const one = script()
      .assign('c', { a: 0 })
      .whole('p', 'ok', [send('a', 0, 0)]);
    for (let number = 1; number < 20_000; number++) {
      const steps = [polled({ a: [[number - 1, number - 1]] }), send('a', number, number)];
      one.whole('p', 'ok', steps, { consumer: 'c' });
    }
    one.poll('c', { a: [[19_999, 19_999]] });
    assert.deepEqual(one.kinds(), []);
  });
});

describe('groups', () => {
  const range = (from: number, to: number): CommittedRange => ({ group: 'g', ranges: { a: [from, to] } });
  const inputs = (): Script =>
    script()
      .whole('p', 'ok', [send('a', 1, 0), send('a', 2, 1), send('a', 3, 2)])
      .assign('c', { a: 0 })
      .poll('c', {
        a: [
          [0, 1],
          [1, 2],
          [2, 3],
        ],
      });

  test('ranges follow each other', () => {
    const one = inputs().whole('q', 'ok', [], { offsets: range(0, 2) });
    one.whole('q', 'ok', [], { offsets: range(2, 4) });
    assert.deepEqual(one.committed('g', { a: 4 }).kinds(), []);
  });

  test('an input is not processed twice, aborted tries not counted', () => {
    const one = inputs().whole('q', 'fail', [], { offsets: range(0, 2) });
    one.whole('q', 'ok', [], { offsets: range(0, 2) });
    assert.deepEqual(one.kinds(), []);
    assert.deepEqual(one.whole('q', 'ok', [], { offsets: range(1, 3) }).kinds(), ['processed-twice']);
  });

  test('an input is not left out, a marker may be', () => {
    const one = inputs().whole('q', 'ok', [], { offsets: range(0, 1) });
    assert.deepEqual(one.whole('q', 'ok', [], { offsets: range(2, 3) }).kinds(), ['never-processed']);
    const marker = inputs().whole('q', 'ok', [], { offsets: range(0, 3) });
    assert.deepEqual(marker.whole('q', 'ok', [], { offsets: range(4, 5) }).kinds(), []);
  });

  test('committed offsets do not go back, and are what somebody committed', () => {
    const one = (): Script => inputs().whole('q', 'ok', [], { offsets: range(0, 2) });
    assert.deepEqual(one().committed('g', { a: 2 }).kinds(), []);
    assert.deepEqual(one().committed('g', { a: 0 }).kinds(), ['group-offset-back']);
    assert.deepEqual(one().committed('g', { a: 3 }).kinds(), ['group-offset-phantom']);
    const aborted = one().whole('q', 'fail', [], { offsets: range(2, 3) });
    assert.deepEqual(aborted.committed('g', { a: 3 }).kinds(), ['group-offset-phantom']);
    const open = one().begin('q', [], { offsets: range(2, 3) });
    assert.deepEqual(open.committed('g', { a: 3 }).committed('g', { a: 2 }).kinds(), ['group-offset-back']);
  });
});

describe('members of a group', () => {
  test('what they commit goes forwards, refused and unknown commits not counted', () => {
    const one = script().commit('g', { a: 5 }).commit('g', { a: 9, b: 1 }).commit('g', { a: 9 });
    one.commit('g', { a: 20 }, 'fail').commit('g', { a: 20 }, 'info');
    assert.deepEqual(one.commit('g', { a: 10 }).commit('other', { a: 1 }).kinds(), []);
    assert.deepEqual(one.commit('g', { a: 9 }).kinds(), ['member-commit-back']);
  });

  test('commits at the same time may come in any order', () => {
    const one = script().commit('g', { a: 5 });
    const late = { process: 'n', f: 'commit', type: 'ok', group: 'g', offsets: { a: 4 }, sinceUs: 0 };
    assert.deepEqual(one.note(late).kinds(), []);
  });

  test('what a group is told is not older than what its members had committed', () => {
    const one = (): Script => script().commit('g', { a: 5 });
    assert.deepEqual(one().committed('g', { a: 5 }).kinds(), []);
    assert.ok(one().committed('g', { a: 4 }).kinds().includes('member-commit-back'));
  });

  test('a key belongs to one member in a generation', () => {
    const one = script()
      .owned('m', 1, ['a', 'b'])
      .owned('n', 2, ['b'])
      .owned('m', 2, ['a'])
      .owned('m', 2, ['a']);
    assert.deepEqual(one.kinds(), []);
    assert.deepEqual(one.owned('n', 2, ['a']).kinds(), ['two-owners']);
  });
});

test('what is no history is refused', () => {
  const twice = script()
    .whole('p', 'ok', [send('a', 1, 0)])
    .whole('p', 'ok', [send('a', 1, 1)]);
  assert.throws(() => twice.kinds(), /sent twice/);
  assert.throws(() => script().end('p', 'ok', []).kinds(), /never began/);
});
