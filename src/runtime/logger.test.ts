import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from './logger.ts';
import type { LoggerOptions } from './logger.ts';

function recorder(options: Omit<LoggerOptions, 'destination'> & { isTTY?: boolean }) {
  const lines: string[] = [];
  const destination = { isTTY: options.isTTY === true, write: (text: string) => lines.push(text) };
  return { lines, logger: createLogger({ ...options, destination }) };
}

const HOSTILE = 'a\r\n2026 \u001b[31mred\u009b2J\u2028x\u202ey\u{e0041}';

test('a line for machines is one JSON object with the fields of its parents', () => {
  const { lines, logger } = recorder({});
  logger.child({ brokerId: 1 }).info({ topic: 'orders' }, 'topic created');
  const { time, ...rest } = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.deepEqual(rest, { level: 'info', brokerId: 1, topic: 'orders', msg: 'topic created' });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test('what is below the level is not written', () => {
  const { lines, logger } = recorder({ level: 'warn' });
  logger.debug({}, 'a');
  logger.info({}, 'b');
  logger.warn({}, 'c');
  logger.error({}, 'd');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ['c', 'd'],
  );
});

test('a terminal gets a short line', () => {
  const { lines, logger } = recorder({ isTTY: true });
  logger.warn({ topic: 'orders', partition: 3, note: 'two words' }, 'partition fell behind');
  assert.match(
    lines[0]!,
    /^\d\d:\d\d:\d\d\.\d{3} warn  partition fell behind topic=orders partition=3 note="two words"\n$/,
  );
});

for (const format of ['json', 'line'] as const) {
  test(`as ${format}, a field can neither forge a line nor steer a terminal`, () => {
    const { lines, logger } = recorder({ format });
    logger.info({ name: HOSTILE, [HOSTILE]: 1 }, HOSTILE);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /^[\u0020-\u007e]+\n$/);
    if (format === 'json') assert.equal((JSON.parse(lines[0]!) as { name: string }).name, HOSTILE);
  });
}

test('an error shows its message and stack, its lines indented', () => {
  const { lines, logger } = recorder({ format: 'line' });
  logger.error({ error: new Error(`broke\n${HOSTILE}`) }, 'request failed');
  const [first, ...stack] = lines[0]!.trimEnd().split('\n');
  assert.match(first!, /error request failed error="broke\\n/);
  assert.ok(stack.length > 1 && stack.every((line) => line.startsWith('    ')));
});

test('fields named like secrets are not shown', () => {
  const { lines, logger } = recorder({});
  logger.info({ password: 'hunter2', user: { password: 'hunter2', name: 'ann' } }, 'login');
  const fields = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.deepEqual([fields['password'], fields['user']], ['[secret]', { password: '[secret]', name: 'ann' }]);
});

test('a level that changes applies to the logger and to the children it already has', () => {
  const lines: string[] = [];
  const logger = createLogger({ format: 'json', destination: { write: (text) => lines.push(text) } });
  const child = logger.child({ part: 'log' });
  child.debug({}, 'unheard');
  logger.setLevel('debug');
  child.debug({}, 'heard');
  logger.setLevel('silent');
  child.error({}, 'unheard');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    ['heard'],
  );
});
