import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, permitListeners, type RequestedListener } from './listeners.ts';

const listener = (host: string, more: Partial<RequestedListener> = {}): RequestedListener => ({
  name: 'PLAINTEXT',
  securityProtocol: 'PLAINTEXT',
  host,
  port: 9092,
  authenticates: false,
  ...more,
});

test('only addresses of this machine are loopback', () => {
  for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', 'LocalHost', '::1', '::ffff:127.0.0.1']) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.0.0.1.example.org',
    'localhost.example.org',
    '128.0.0.1',
    '',
  ]) {
    assert.equal(isLoopback(host), false, host);
  }
});

test('loopback is permitted; a listener without a host listens there', () => {
  const { listeners, errors } = permitListeners([listener('127.0.0.1'), listener('')], {
    allowInsecure: false,
  });
  assert.deepEqual(errors, []);
  assert.deepEqual(
    listeners.map(({ host }) => host),
    ['127.0.0.1', '127.0.0.1'],
  );
});

test('other addresses are refused with both settings named, unless the override says so', () => {
  const refused = permitListeners([listener('0.0.0.0')], { allowInsecure: false });
  assert.deepEqual(refused.listeners, []);
  assert.match(refused.errors[0]!, /^listeners: .*allow\.insecure\.listeners=true/);
  const allowed = permitListeners([listener('10.1.2.3'), listener('')], { allowInsecure: true });
  assert.deepEqual(allowed.errors, []);
  assert.deepEqual(
    allowed.listeners.map(({ host }) => host),
    ['10.1.2.3', '0.0.0.0'],
  );
});

test('a listener that authenticates may be reached by others, without a host on every address', () => {
  const { listeners, errors } = permitListeners(
    [
      listener('10.1.2.3', { securityProtocol: 'SSL', authenticates: true }),
      listener('', { securityProtocol: 'SASL_SSL', authenticates: true }),
    ],
    { allowInsecure: false },
  );
  assert.deepEqual(errors, []);
  assert.deepEqual(
    listeners.map(({ host }) => host),
    ['10.1.2.3', '0.0.0.0'],
  );
});

test('TLS alone is no authentication: it is told how to ask for it', () => {
  const { errors } = permitListeners([listener('10.1.2.3', { securityProtocol: 'SSL' })], {
    allowInsecure: false,
  });
  assert.match(errors[0]!, /ssl\.client\.auth=required.*allow\.insecure\.listeners/);
});
