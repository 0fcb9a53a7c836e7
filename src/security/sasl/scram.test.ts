import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SaslStep } from './exchange.ts';
import { credentialOf, scramExchange, type ScramMechanism, type ScramOptions } from './scram.ts';
import { saltedPassword, scramClient } from './test-scram-client.ts';

const DECOY = Buffer.alloc(32, 5);

/** RFC 7677, section 3. */
const VECTOR = {
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
    'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

function options(more: Partial<ScramOptions> = {}): ScramOptions {
  const known = credential('SCRAM-SHA-256', 'pencil', VECTOR.salt);
  return {
    mechanism: 'SCRAM-SHA-256',
    credentialOf: (user) => (user === 'user' ? known : undefined),
    nonce: VECTOR.serverNonce,
    decoySecret: DECOY,
    ...more,
  };
}

function credential(mechanism: ScramMechanism, password: string, salt: Buffer, iterations = 4096) {
  const from = { password, salt, iterations };
  return credentialOf(mechanism, { iterations, salt, saltedPassword: saltedPassword(mechanism, from) });
}

const shown = (step: SaslStep): string =>
  'answer' in step ? `${step.kind} ${step.answer.toString()}` : step.kind;

/** What came of an exchange with these messages. */
function run(first: string, final: string, more: Partial<ScramOptions> = {}): string {
  const exchange = scramExchange(options(more));
  const step = exchange.step(Buffer.from(first));
  if (step.kind !== 'continue') return step.kind;
  return exchange.step(Buffer.from(final)).kind;
}

test('the example of RFC 7677, byte for byte', () => {
  const exchange = scramExchange(options());
  assert.equal(shown(exchange.step(Buffer.from(VECTOR.clientFirst))), `continue ${VECTOR.serverFirst}`);
  const done = exchange.step(Buffer.from(VECTOR.clientFinal));
  assert.equal(shown(done), `done ${VECTOR.serverFinal}`);
  assert.equal(done.kind === 'done' && done.user, 'user');
});

function authenticate(
  mechanism: ScramMechanism,
  who: Parameters<typeof scramClient>[1],
  known: string,
): SaslStep {
  const stored = credential(mechanism, 'pencil', Buffer.from('salt'), 5000);
  const exchange = scramExchange(
    options({ mechanism, credentialOf: (user) => (user === known ? stored : undefined) }),
  );
  const { first, final } = scramClient(mechanism, who);
  const step = exchange.step(Buffer.from(first));
  return step.kind === 'continue' ? exchange.step(Buffer.from(final(step.answer.toString()))) : step;
}

test('both mechanisms let in who knows the password, names with signs in them too', () => {
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
    for (const user of ['user', 'a,b=c', 'Ä ß']) {
      const step = authenticate(mechanism, { user }, user);
      assert.equal(step.kind === 'done' && step.user, user);
    }
    assert.equal(authenticate(mechanism, { password: 'guess' }, 'user').kind, 'failed');
    assert.equal(authenticate(mechanism, { user: 'nobody' }, 'user').kind, 'failed');
  }
});

test('who claims to act for another is refused, for itself is not', () => {
  assert.equal(authenticate('SCRAM-SHA-256', { header: 'n,a=user,' }, 'user').kind, 'done');
  assert.equal(authenticate('SCRAM-SHA-256', { header: 'n,a=admin,' }, 'user').kind, 'failed');
});

test('an answer to a user who does not exist looks like any other, and is the same each time', () => {
  const answers = ['nobody', 'nobody', 'other'].map((name) => {
    const step = scramExchange(options()).step(Buffer.from(`n,,n=${name},r=abc`));
    assert.equal(step.kind, 'continue');
    return step.kind === 'continue' ? step.answer.toString() : '';
  });
  assert.match(answers[0]!, /^r=abc.*,s=[A-Za-z0-9+/]{22}==,i=4096$/);
  assert.equal(answers[0], answers[1]);
  assert.notEqual(answers[0], answers[2]);
});

test('the second message must carry the nonces, the header and a proof of this exchange', () => {
  const { first, final } = scramClient('SCRAM-SHA-256', {});
  const exchange = scramExchange(options());
  const step = exchange.step(Buffer.from(first));
  const serverFirst = step.kind === 'continue' ? step.answer.toString() : '';
  const right = final(serverFirst);
  assert.equal(run(first, right), 'done');
  // The same proof at a server with another nonce: a replay.
  assert.equal(run(first, right, { nonce: 'other' }), 'failed');
  assert.equal(run(first, final(serverFirst, { nonces: 'abc' })), 'failed', 'the nonce of the client alone');
  assert.equal(run(first, final(serverFirst, { nonces: `${serverFirst.slice(2, 20)}x` })), 'failed');
  for (const binding of ['y,,', 'n,a=user,', 'p=tls-unique,,', '']) {
    assert.equal(run(first, final(serverFirst, { binding })), 'failed', binding);
  }
  for (let index = 0; index < right.length; index++) {
    const changed = right.slice(0, index) + (right[index] === 'A' ? 'B' : 'A') + right.slice(index + 1);
    if (changed.at(-1) !== '=') continue;
    // The last digit before the padding has bits that count for nothing.
    if (index === right.length - 2) continue;
    assert.equal(run(first, changed), 'failed', `position ${index}`);
  }
});

test('what is no first message is refused: channel binding, extensions, empty names, other headers', () => {
  const texts = [
    '',
    'n,,',
    'n,,n=,r=abc',
    'n,,n=user',
    'n,,r=abc,n=user',
    'y,,n=user,r=abc',
    'p=tls-unique,,n=user,r=abc',
    'n,,m=x,n=user,r=abc',
    'n,,n=user,r=abc,tokenauth=true',
    'n,,n=us=er,r=abc',
    'n,,n=user,r=',
    'n,,n=user,r=a b',
    `n,,n=user,r=${'a'.repeat(5000)}`,
    'a'.repeat(100_000),
  ];
  for (const text of texts) assert.equal(run(text, ''), 'failed', text.slice(0, 40));
});
