import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EtcdLocationError, parseEtcdLocation } from './location.ts';

test('endpoints, TLS and the key prefix of an etcd location', () => {
  assert.deepEqual(parseEtcdLocation('etcd://localhost'), {
    endpoints: [{ host: 'localhost', port: 2379 }],
    isTls: false,
    keyPrefix: '/headrace/',
  });
  assert.deepEqual(parseEtcdLocation('etcds://a.example:1,10.0.0.2:65535,[::1]:3/prod/eu-1/'), {
    endpoints: [
      { host: 'a.example', port: 1 },
      { host: '10.0.0.2', port: 65_535 },
      { host: '::1', port: 3 },
    ],
    isTls: true,
    keyPrefix: '/prod/eu-1/',
  });
  assert.equal(parseEtcdLocation('etcd://a/').keyPrefix, '/headrace/');
});

test('what is no etcd location says what to write, and shows no password', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /write it like etcd:\/\//],
    ['localhost:2379', /write it like/],
    ['http://localhost:2379', /write it like/],
    ['etcd://', /no host:port/],
    ['etcd://a,,b', /no host:port/],
    ['etcd://a:x', /no host:port/],
    ['etcd://a:0', /1 to 65535/],
    ['etcd://a:65536', /1 to 65535/],
    ['etcd://::1:2379', /no host:port/],
    ['etcd://a/b//c', /single slashes/],
    ['etcd://a/b c', /letters, digits/],
    ['etcd://a?x=1', /write it like/],
    ['etcd://root:secret@a', /by their settings/],
    ['etcd://root:secret@a?x', /write it like/],
    [`etcd://${Array(17).fill('a').join(',')}`, /at most 16/],
  ];
  for (const [text, message] of refused) {
    assert.throws(
      () => parseEtcdLocation(text),
      (error: Error) => {
        assert.ok(error instanceof EtcdLocationError, text);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});
