/** Broker configurations about TLS: certificates, versions, and where keys come from. */
import { listOf, oneOf } from './checks.ts';
import { define } from './definition.ts';
import type { ConfigDefinition } from './definition.ts';

export const TLS_CONFIGS: readonly ConfigDefinition[] = [
  define(
    'BOOLEAN',
    'ssl.allow.dn.changes',
    'false',
    'Whether a reloaded certificate may have another distinguished name.',
    { importance: 'LOW' },
  ),
  define(
    'BOOLEAN',
    'ssl.allow.san.changes',
    'false',
    'Whether a reloaded certificate may have other alternative names.',
    { importance: 'LOW' },
  ),
  define(
    'LIST',
    'ssl.cipher.suites',
    '',
    'The cipher suites offered; empty leaves the choice to the TLS library.',
    { check: listOf(), dynamic: 'per-broker' },
  ),
  define('STRING', 'ssl.client.auth', 'none', 'Whether clients must, may or need not show a certificate.', {
    check: oneOf('required', 'requested', 'none'),
    dynamic: 'per-broker',
  }),
  define('LIST', 'ssl.enabled.protocols', 'TLSv1.2,TLSv1.3', 'The TLS versions offered.', {
    check: listOf(),
    dynamic: 'per-broker',
  }),
  define(
    'STRING',
    'ssl.endpoint.identification.algorithm',
    'https',
    "How the name in a peer broker's certificate is checked; empty turns the check off.",
    { importance: 'LOW', dynamic: 'per-broker' },
  ),
  define('CLASS', 'ssl.engine.factory.class', null, 'A Java class that makes TLS engines in Kafka.', {
    importance: 'LOW',
    dynamic: 'per-broker',
    inert: true,
  }),
  define('PASSWORD', 'ssl.key.password', null, 'The password of the private key.', { dynamic: 'per-broker' }),
  define('STRING', 'ssl.keymanager.algorithm', 'SunX509', 'The Java key manager that Kafka uses.', {
    dynamic: 'per-broker',
    inert: true,
  }),
  define('PASSWORD', 'ssl.keystore.certificate.chain', null, "The server's certificate chain, in PEM.", {
    dynamic: 'per-broker',
  }),
  define('PASSWORD', 'ssl.keystore.key', null, "The server's private key, in PEM.", {
    dynamic: 'per-broker',
  }),
  define('STRING', 'ssl.keystore.location', null, "The file with the server's certificate and key.", {
    dynamic: 'per-broker',
  }),
  define('PASSWORD', 'ssl.keystore.password', null, 'The password of the keystore file.', {
    dynamic: 'per-broker',
  }),
  define('STRING', 'ssl.keystore.type', 'JKS', 'The format of the keystore file.', { dynamic: 'per-broker' }),
  define(
    'STRING',
    'ssl.principal.mapping.rules',
    'DEFAULT',
    "Rules that turn a certificate's distinguished name into a principal.",
    { importance: 'LOW' },
  ),
  define('STRING', 'ssl.protocol', 'TLSv1.3', 'The TLS version Kafka creates its context with.', {
    dynamic: 'per-broker',
    inert: true,
  }),
  define('STRING', 'ssl.provider', null, 'The Java TLS provider that Kafka uses.', {
    dynamic: 'per-broker',
    inert: true,
  }),
  define(
    'STRING',
    'ssl.secure.random.implementation',
    null,
    'The Java random generator that Kafka uses for TLS.',
    { importance: 'LOW', dynamic: 'per-broker', inert: true },
  ),
  define('STRING', 'ssl.trustmanager.algorithm', 'PKIX', 'The Java trust manager that Kafka uses.', {
    dynamic: 'per-broker',
    inert: true,
  }),
  define(
    'PASSWORD',
    'ssl.truststore.certificates',
    null,
    'Certificates of the authorities that are trusted, in PEM.',
    { dynamic: 'per-broker' },
  ),
  define('STRING', 'ssl.truststore.location', null, 'The file with the authorities that are trusted.', {
    dynamic: 'per-broker',
  }),
  define('PASSWORD', 'ssl.truststore.password', null, 'The password of the truststore file.', {
    dynamic: 'per-broker',
  }),
  define('STRING', 'ssl.truststore.type', 'JKS', 'The format of the truststore file.', {
    dynamic: 'per-broker',
  }),
];
