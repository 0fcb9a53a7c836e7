// Delegation tokens (KIP-48) against Apache Kafka, whatever the target of the other suites is: Headrace's broker has none yet.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installKafkaStorage, installKafkaTools } from '../../scripts/peer-java.ts';
import { Client } from '../../src/client/client.ts';
import { obtain } from './peer.ts';
import { startTarget } from './target.ts';
import { until } from './until.ts';

const { skip } = await obtain(async () => [await installKafkaTools(), await installKafkaStorage()]);
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required';

test('a token is issued, renewed, listed and ended', { skip }, async () => {
  const target = await startTarget({
    broker: 'kafka',
    settings: {
      // Tokens are issued over authenticated connections alone.
      'listener.security.protocol.map': 'PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.plaintext.plain.sasl.jaas.config': `${PLAIN} username="root" password="r" user_root="r" user_ada="a";`,
      'delegation.token.secret.key': 'secret',
    },
  });
  try {
    await using client = new Client({
      bootstrap: target.bootstrap,
      sasl: { mechanism: 'PLAIN', username: 'ada', password: 'a' },
    });
    const admin = client.admin();
    const token = await admin.createDelegationToken({ renewers: ['User:eve'], lifetimeMsMax: 3_600_000 });
    assert.deepEqual([token.owner, token.requester], ['User:ada', 'User:ada']);
    assert.equal(token.expiresMsMax - token.issuedMs, 3_600_000);
    const listed = await until('the token is listed', async () => {
      const tokens = await admin.describeDelegationTokens({ owners: ['User:ada'] });
      return tokens.length > 0 && tokens;
    });
    assert.deepEqual(listed, [token]);
    const renewedMs = await admin.renewDelegationToken(token, { periodMs: 60_000 });
    assert.ok(renewedMs > token.issuedMs && renewedMs < token.expiresMs, `${renewedMs}`);
    await admin.expireDelegationToken(token);
    await until('it is gone', async () => (await admin.describeDelegationTokens()).length === 0);
    await assert.rejects(admin.renewDelegationToken(token), { errorName: 'DELEGATION_TOKEN_NOT_FOUND' });
  } finally {
    await target.discard();
  }
});
