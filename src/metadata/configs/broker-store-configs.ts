/** Headrace's own broker configurations about the store in which a cluster keeps its metadata. Kafka has none: it is its own. */
import { define } from './definition.ts';
import type { ConfigDefinition } from './definition.ts';

export const STORE_CONFIGS: readonly ConfigDefinition[] = [
  define(
    'STRING',
    'metadata.store.connect',
    null,
    'Where the brokers of a cluster keep its metadata: `etcd://host:port[,host:port...][/prefix]`, `etcds://` for TLS. ' +
      'Without it this broker is alone and keeps it in its first log directory.',
    { importance: 'HIGH' },
  ),
  define(
    'STRING',
    'metadata.store.user',
    null,
    'The user that etcd knows the brokers by, where it asks for one.',
  ),
  define('PASSWORD', 'metadata.store.password', null, "The password of etcd's user."),
  define(
    'STRING',
    'metadata.store.ca.file',
    null,
    "A PEM file of the authorities that may vouch for etcd's certificate; without it the system's.",
  ),
  define('STRING', 'metadata.store.certificate.file', null, 'A PEM file: the certificate shown to etcd.'),
  define('STRING', 'metadata.store.key.file', null, 'A PEM file: the key of that certificate.'),
];
