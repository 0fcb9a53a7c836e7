/**
 * What a listener's ssl.* settings come to, for the connections that it accepts and for those that this broker makes to the
 * same listener of others. Keys and certificates are PEM: in files, or in the settings themselves (KIP-651).
 */
import { X509Certificate } from 'node:crypto';
import { TLS_VERSIONS, type ClientTls, type ServerTls, type TlsVersion } from '../base/ports.ts';
import { listenerConfigText } from '../metadata/configs/broker-reader.ts';
import { splitList } from '../metadata/configs/parse.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import { openSslCiphers } from './cipher-names.ts';
import { parsePrincipalRules, type PrincipalRule } from './principal-rules.ts';

export interface ListenerTls {
  readonly server: ServerTls;
  /** As which this broker connects to others. */
  readonly client: ClientTls;
  readonly principalRules: readonly PrincipalRule[];
  /** Whether a certificate that is renewed may be for another name, or for other hosts. */
  readonly mayRename: { readonly subject: boolean; readonly alternatives: boolean };
}

export type ReadTls =
  | { readonly ok: true; readonly tls: ListenerTls }
  | { readonly ok: false; readonly problems: readonly string[] };

const PEM_KEY = /-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY)-----[^-]*-----END \1-----/g;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const HOW_TO_CONVERT = 'Headrace reads PEM; convert the store with openssl pkcs12';

/** Each problem names the setting. `readFile` throws when there is no such file. */
export function readListenerTls(
  listener: string,
  sources: BrokerConfigSources,
  readFile: (path: string) => string,
): ReadTls {
  const problems: string[] = [];
  const text = (name: string): string => listenerConfigText(name, listener, sources) ?? '';
  const problem = (name: string, what: string): void => {
    problems.push(`${name} (listener ${listener}): ${what}`);
  };
  const read = (name: string): string => readNamed({ text, problem }, name, readFile);
  const store: StoreReader = { text, problem, read };
  const keystore = readKeystore(store);
  const authorities = readTruststore(store);
  const clientAuth = text('ssl.client.auth') as ServerTls['clientAuth'];
  if (clientAuth !== 'none' && authorities === undefined) {
    problem(
      'ssl.truststore.location',
      `must name who vouches for clients' certificates, as ssl.client.auth is ${clientAuth}`,
    );
  }
  const versions = readVersions(store);
  const ciphers = openSslCiphers(splitList(text('ssl.cipher.suites')));
  for (const name of ciphers.unknown) problem('ssl.cipher.suites', `${name} is not offered`);
  const rules = parsePrincipalRules(text('ssl.principal.mapping.rules'));
  if (!rules.ok) problem('ssl.principal.mapping.rules', rules.message);
  const identification = text('ssl.endpoint.identification.algorithm').toLowerCase();
  if (identification !== '' && identification !== 'https') {
    problem(
      'ssl.endpoint.identification.algorithm',
      `${identification} is not known; write https, or nothing`,
    );
  }
  if (problems.length > 0 || !rules.ok) return { ok: false, problems };
  const identity = { ...keystore, authorities, ...versions, ciphers: ciphers.names };
  return {
    ok: true,
    tls: {
      server: { ...identity, clientAuth },
      client: { ...identity, checksHost: identification === 'https' },
      principalRules: rules.rules,
      mayRename: {
        subject: text('ssl.allow.dn.changes').toLowerCase() === 'true',
        alternatives: text('ssl.allow.san.changes').toLowerCase() === 'true',
      },
    },
  };
}

/** What the ssl.* settings of a client come to, by Kafka's names; a certificate of its own need not be there. */
export function readClientTls(
  settings: ReadonlyMap<string, string>,
  readFile: (path: string) => string,
): { readonly tls: ClientTls; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const text = (name: string): string => settings.get(name) ?? CLIENT_DEFAULTS.get(name) ?? '';
  const problem = (name: string, what: string): void => void problems.push(`${name}: ${what}`);
  const store: StoreReader = { text, problem, read: (name) => readNamed({ text, problem }, name, readFile) };
  const hasOwn = text('ssl.keystore.location') !== '' || text('ssl.keystore.certificate.chain') !== '';
  const tls = {
    ...(hasOwn ? readKeystore(store) : undefined),
    authorities: readTruststore(store),
    ...readVersions(store),
    checksHost: text('ssl.endpoint.identification.algorithm') !== '',
  };
  return { tls, problems };
}

const CLIENT_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['ssl.keystore.type', 'JKS'],
  ['ssl.truststore.type', 'JKS'],
  ['ssl.enabled.protocols', TLS_VERSIONS.join(',')],
  ['ssl.endpoint.identification.algorithm', 'https'],
]);

function readNamed(
  { text, problem }: Omit<StoreReader, 'read'>,
  name: string,
  readFile: (path: string) => string,
): string {
  const path = text(name);
  if (path === '') return '';
  try {
    return readFile(path);
  } catch (error) {
    problem(name, `${path} cannot be read (${error instanceof Error ? error.message : String(error)})`);
    return '';
  }
}

interface StoreReader {
  text(name: string): string;
  problem(name: string, what: string): void;
  /** The file that the setting names; empty, and told, where it cannot be read. */
  read(name: string): string;
}

function readKeystore({ text, problem, read }: StoreReader) {
  const location = text('ssl.keystore.location');
  const inline = [text('ssl.keystore.certificate.chain'), text('ssl.keystore.key')] as const;
  const isInline = inline.some((one) => one !== '');
  if (location === '' && !isInline) {
    problem('ssl.keystore.location', "must name the PEM file with this broker's certificate and key");
    return {};
  }
  const type = text('ssl.keystore.type');
  if (type !== 'PEM') {
    problem('ssl.keystore.type', `is ${type}; set it to PEM (${HOW_TO_CONVERT})`);
    return {};
  }
  if (text('ssl.keystore.password') !== '') {
    problem('ssl.keystore.password', 'a PEM file has none; the password of the key is ssl.key.password');
  }
  if (location !== '' && isInline) {
    problem(
      'ssl.keystore.location',
      'and ssl.keystore.certificate.chain exclude each other; set one of them',
    );
    return {};
  }
  const [chain, key] = isInline ? inline : [read('ssl.keystore.location'), undefined];
  const certificates = chain.match(PEM_CERTIFICATE) ?? [];
  const keys = (key ?? chain).match(PEM_KEY) ?? [];
  const where = isInline ? ['ssl.keystore.certificate.chain', 'ssl.keystore.key'] : ['ssl.keystore.location'];
  if (chain !== '' || isInline) {
    if (certificates.length === 0) problem(where[0]!, 'there is no certificate in it (BEGIN CERTIFICATE)');
    if (keys.length !== 1)
      problem(where.at(-1)!, `there are ${keys.length} private keys in it; one is needed`);
  }
  const password = text('ssl.key.password');
  return {
    certificate: certificates.join('\n'),
    key: keys[0],
    ...(password === '' ? undefined : { keyPassword: password }),
  };
}

/** Undefined: there is none, or it cannot be used, which is told. */
function readTruststore({ text, problem, read }: StoreReader): string | undefined {
  const location = text('ssl.truststore.location');
  const inline = text('ssl.truststore.certificates');
  if (location === '' && inline === '') return undefined;
  const type = text('ssl.truststore.type');
  if (type !== 'PEM') {
    problem('ssl.truststore.type', `is ${type}; set it to PEM (${HOW_TO_CONVERT})`);
    return undefined;
  }
  if (location !== '' && inline !== '') {
    problem('ssl.truststore.location', 'and ssl.truststore.certificates exclude each other; set one of them');
    return undefined;
  }
  if (text('ssl.truststore.password') !== '') problem('ssl.truststore.password', 'a PEM file has none');
  const name = inline === '' ? 'ssl.truststore.location' : 'ssl.truststore.certificates';
  const content = inline === '' ? read(name) : inline;
  const certificates = content.match(PEM_CERTIFICATE) ?? [];
  if (content !== '' && certificates.length === 0)
    problem(name, 'there is no certificate in it (BEGIN CERTIFICATE)');
  return certificates.join('\n');
}

function readVersions({ text, problem }: StoreReader): { versionMin: TlsVersion; versionMax: TlsVersion } {
  const wanted = splitList(text('ssl.enabled.protocols'));
  const known = TLS_VERSIONS.filter((version) => wanted.includes(version));
  for (const version of wanted) {
    if ((TLS_VERSIONS as readonly string[]).includes(version)) continue;
    problem('ssl.enabled.protocols', `${version} is not offered; choose from ${TLS_VERSIONS.join(', ')}`);
  }
  if (wanted.length === 0) problem('ssl.enabled.protocols', 'name at least one version');
  return { versionMin: known[0] ?? 'TLSv1.2', versionMax: known.at(-1) ?? 'TLSv1.3' };
}

/** Why a running listener does not take over what is in its settings or files now; undefined: it may. */
export function renewalProblem(before: ListenerTls, after: ListenerTls): string | undefined {
  const [old, next] = [ownCertificate(before), ownCertificate(after)];
  if (old === undefined || next === undefined) return 'the certificate cannot be read';
  if (old.subject !== next.subject && !after.mayRename.subject) {
    return 'the new certificate is for another name (ssl.allow.dn.changes permits it)';
  }
  if (old.subjectAltName !== next.subjectAltName && !after.mayRename.alternatives) {
    return 'the new certificate is for other hosts (ssl.allow.san.changes permits it)';
  }
  return undefined;
}

function ownCertificate({ server }: ListenerTls): X509Certificate | undefined {
  try {
    return new X509Certificate(server.certificate ?? '');
  } catch {
    return undefined;
  }
}
