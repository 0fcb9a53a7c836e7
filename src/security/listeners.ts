/**
 * Which listeners a broker may open: nothing listens beyond loopback without authentication, unless the setting that
 * allows it, which has a name nobody sets by accident, says so.
 */

export interface RequestedListener {
  readonly name: string;
  readonly securityProtocol: string;
  /** Empty: none was given. */
  readonly host: string;
  readonly port: number;
}

export interface PermittedListener {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Our own setting; Kafka has none like it. */
export const ALLOW_INSECURE_LISTENERS = 'allow.insecure.listeners';
const LOOPBACK = '127.0.0.1';
const EVERY_ADDRESS = '0.0.0.0';

/** The listeners as they may be opened, or what is wrong with them, one sentence each. */
export function permitListeners(
  requested: readonly RequestedListener[],
  options: { readonly allowInsecure: boolean },
): { readonly listeners: readonly PermittedListener[]; readonly errors: readonly string[] } {
  const errors: string[] = [];
  const listeners: PermittedListener[] = [];
  for (const { name, securityProtocol, host, port } of requested) {
    if (securityProtocol !== 'PLAINTEXT') {
      errors.push(
        `listeners: ${name} wants ${securityProtocol}, which this release does not have yet; ` +
          'use PLAINTEXT on a loopback address',
      );
      continue;
    }
    const at = host === '' ? (options.allowInsecure ? EVERY_ADDRESS : LOOPBACK) : host;
    if (!isLoopback(at) && !options.allowInsecure) {
      errors.push(
        `listeners: ${name}://${at}:${port} can be reached from other machines without authentication; ` +
          `listen on ${LOOPBACK}, or set ${ALLOW_INSECURE_LISTENERS}=true if everyone who reaches this port may do everything`,
      );
      continue;
    }
    listeners.push({ name, host: at, port });
  }
  return { listeners, errors };
}

/** True for addresses that only this machine can reach. Other names than localhost are not resolved, and count as not. */
export function isLoopback(host: string): boolean {
  const plain = host.toLowerCase();
  if (plain === 'localhost' || plain === '::1' || plain === '0:0:0:0:0:0:0:1') return true;
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain);
}
