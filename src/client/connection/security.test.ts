// The client on listeners with TLS and SASL, against the real broker on real sockets.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUTHORITY, CLIENT, SERVER } from '../../base/test-certificates.ts';
import { startBroker, type Broker } from '../../broker/broker.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { memoryDisk } from '../../runtime/memory-disk.ts';
import { realPorts } from '../../runtime/ports.ts';
import { PLAIN_MODULE } from '../../security/sasl/login-settings.ts';
import { Client, type ClientOptions } from '../client.ts';

const real = realPorts({ logger: silentLogger() });
const seen = new Set<string>();
let broker: Broker;

before(async () => {
  broker = await startBroker({
    ports: { ...real, disk: memoryDisk({ clock: real.clock }) },
    configs: new Map([
      ['log.dirs', '/headrace'],
      ['listeners', 'TLS://127.0.0.1:0,LOGIN://127.0.0.1:0'],
      ['listener.security.protocol.map', 'TLS:SSL,LOGIN:SASL_SSL'],
      ['ssl.keystore.type', 'PEM'],
      ['ssl.keystore.certificate.chain', SERVER.certificate],
      ['ssl.keystore.key', SERVER.key],
      ['ssl.truststore.type', 'PEM'],
      ['ssl.truststore.certificates', AUTHORITY],
      ['listener.name.tls.ssl.client.auth', 'required'],
      ['sasl.enabled.mechanisms', 'PLAIN'],
      ['listener.name.login.plain.sasl.jaas.config', `${PLAIN_MODULE} required user_alice="secret";`],
    ]),
    authorizer: {
      authorize({ type, name }) {
        seen.add(`${type}:${name}`);
        return true;
      },
    },
  });
});
after(() => broker?.stop());

async function roundTrip(listener: 'TLS' | 'LOGIN', options: Partial<ClientOptions>): Promise<string | null> {
  const { port } = broker.addresses.find((one) => one.listener === listener)!;
  await using client = new Client({ bootstrap: `127.0.0.1:${port}`, topicTimeoutMs: 2_000, ...options });
  await client.producer().send({ topic: 't', value: 'hello' });
  const consumer = client.consumer({ assign: [{ topic: 't' }], from: 'earliest' });
  return (await consumer.poll())!.records[0]!.text;
}

const CERTIFIED = { authorities: AUTHORITY, certificate: CLIENT.certificate, key: CLIENT.key };

test('TLS: both sides show their certificates', async () => {
  seen.clear();
  assert.equal(await roundTrip('TLS', { tls: CERTIFIED }), 'hello');
  assert.ok(
    [...seen].every((who) => who.startsWith('User:CN=alice')),
    String([...seen]),
  );
});

test('TLS: a broker that nobody vouches for is refused, and that is told at once', async () => {
  const begunMs = performance.now();
  await assert.rejects(roundTrip('TLS', { tls: true }), { errorName: 'TLS_REFUSED', retriable: false });
  assert.ok(performance.now() - begunMs < 2_000);
});

test('TLS and PLAIN: the user is who the password says', async () => {
  seen.clear();
  const sasl = { mechanism: 'PLAIN', username: 'alice', password: 'secret' } as const;
  assert.equal(await roundTrip('LOGIN', { tls: { authorities: AUTHORITY }, sasl }), 'hello');
  assert.deepEqual([...seen], ['User:alice']);
  await assert.rejects(
    roundTrip('LOGIN', { tls: { authorities: AUTHORITY }, sasl: { ...sasl, password: 'guess' } }),
    { errorName: 'SASL_AUTHENTICATION_FAILED', fatal: true },
  );
});
