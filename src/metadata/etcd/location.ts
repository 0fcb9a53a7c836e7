/**
 * Where a cluster's metadata lies: `etcd://host:2379[,host2:2379...][/prefix]`, with `etcds://` for TLS. Every key of the
 * cluster begins with `<prefix>/`, so several clusters, and others, may share one etcd.
 */

const PORT_DEFAULT = 2379;
const PREFIX_DEFAULT = 'headrace';
const ENDPOINTS_MAX = 16;
const EXAMPLE = 'etcd://etcd-1:2379,etcd-2:2379/my-cluster';

export interface EtcdEndpoint {
  readonly host: string;
  readonly port: number;
}

export interface EtcdLocation {
  readonly endpoints: readonly EtcdEndpoint[];
  readonly isTls: boolean;
  /** Not empty, with a slash at its end. */
  readonly keyPrefix: string;
}

/** The text is no location; the message names what to change. */
export class EtcdLocationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'EtcdLocationError';
  }
}

/** Throws EtcdLocationError. */
export function parseEtcdLocation(text: string): EtcdLocation {
  const match = /^(etcds?):\/\/([^/?#]*)(\/[^?#]*)?$/.exec(text);
  if (match === null) {
    throw new EtcdLocationError(`${shown(text)} is no etcd location; write it like ${EXAMPLE}`);
  }
  const [, scheme, hosts, path] = match;
  if (hosts!.includes('@')) {
    throw new EtcdLocationError(
      'an etcd location holds no user or password, which would show in logs; give them by their settings',
    );
  }
  const endpoints = hosts!.split(',').map((host) => parseEndpoint(host, text));
  if (endpoints.length > ENDPOINTS_MAX) {
    throw new EtcdLocationError(
      `${endpoints.length} etcd endpoints are too many; name at most ${ENDPOINTS_MAX}`,
    );
  }
  return { endpoints, isTls: scheme === 'etcds', keyPrefix: parsePrefix(path ?? '', text) };
}

function parseEndpoint(text: string, whole: string): EtcdEndpoint {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) {
    throw new EtcdLocationError(
      `${shown(text)} in ${shown(whole)} is no host:port; write the endpoints like ${EXAMPLE}`,
    );
  }
  const port = match[3] === undefined ? PORT_DEFAULT : Number(match[3]);
  if (port < 1 || port > 65_535) {
    throw new EtcdLocationError(`port ${port} of etcd endpoint ${shown(text)} is not from 1 to 65535`);
  }
  return { host: (match[1] ?? match[2])!, port };
}

function parsePrefix(path: string, whole: string): string {
  const prefix = path.replace(/^\/|\/$/g, '');
  if (!/^[A-Za-z0-9._/-]*$/.test(prefix) || prefix.includes('//')) {
    throw new EtcdLocationError(
      `the key prefix of ${shown(whole)} may hold letters, digits, '.', '_', '-' and single slashes only`,
    );
  }
  return `/${prefix === '' ? PREFIX_DEFAULT : prefix}/`;
}

/** Messages go into logs: what may be a password does not. */
function shown(text: string): string {
  return `'${text.replace(/[^/@]*@/g, '...@')}'`;
}
