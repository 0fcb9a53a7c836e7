import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlainLogin, PLAIN_MODULE } from './login-settings.ts';
import { plainExchange } from './plain.ts';

const passwords = new Map([['alice', 'secret']]);
const tried = (text: string): string => {
  const step = plainExchange((user) => passwords.get(user)).step(Buffer.from(text));
  return step.kind === 'failed' ? step.message : `${step.kind}${step.kind === 'done' ? ` ${step.user}` : ''}`;
};

test('the right password lets in, as the user and as nobody else', () => {
  assert.equal(tried('\0alice\0secret'), 'done alice');
  assert.equal(tried('alice\0alice\0secret'), 'done alice');
  assert.match(tried('bob\0alice\0secret'), /authorization id/);
});

test('a wrong password and a user who does not exist are told apart by nothing', () => {
  const wrong = tried('\0alice\0secreT');
  assert.match(wrong, /Invalid username or password/);
  assert.equal(tried('\0bob\0secret'), wrong);
  assert.equal(tried('\0toString\0secret'), wrong);
});

test('what is no message of PLAIN is refused', () => {
  for (const text of [
    '',
    'alice',
    '\0alice',
    '\0alice\0',
    '\0\0secret',
    '\0alice\0secret\0',
    'x'.repeat(100_000),
  ]) {
    assert.match(tried(text), /tokens|not specified|Invalid/, JSON.stringify(text.slice(0, 20)));
  }
});

test('login settings: the users with their passwords, quoted or not', () => {
  const text = `${PLAIN_MODULE} required\n  username="broker" password="x"\n user_alice="s e\\"c;=ret" user_bob=plain ;`;
  const parsed = parsePlainLogin(text);
  assert.ok(parsed.ok);
  assert.deepEqual(
    [...parsed.passwords],
    [
      ['alice', 's e"c;=ret'],
      ['bob', 'plain'],
    ],
  );
});

test('login settings that cannot be read are refused, without a word of their contents', () => {
  const wrong = [
    '',
    'required user_a="canary";',
    `${PLAIN_MODULE} user_a="canary";`,
    `${PLAIN_MODULE} required user_a="canary"`,
    `${PLAIN_MODULE} required user_a="canary;`,
    `${PLAIN_MODULE} required user_a "canary";`,
    `${PLAIN_MODULE} required user_a=;`,
    `${PLAIN_MODULE} required ="canary";`,
    `${PLAIN_MODULE} required user_="canary";`,
    `${PLAIN_MODULE} required user_a="";`,
    `${PLAIN_MODULE} required user_a="canary" user_a="canary";`,
    `${PLAIN_MODULE} required user_a="canary"; ${PLAIN_MODULE} required;`,
    'org.apache.kafka.common.security.scram.ScramLoginModule required user_a="canary";',
  ];
  for (const text of wrong) {
    const parsed = parsePlainLogin(text);
    assert.equal(parsed.ok, false, text);
    assert.ok(parsed.ok || !parsed.message.includes('canary'));
  }
});
