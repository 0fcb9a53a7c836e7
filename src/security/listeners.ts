/**
 * Which listeners a broker may open: nothing listens beyond loopback without authentication, unless the setting that
 * allows it, which has a name nobody sets by accident, says so.
 */
import type { SecurityProtocol } from '../metadata/configs/listeners.ts';

export interface RequestedListener {
  readonly name: string;
  readonly securityProtocol: SecurityProtocol;
  /** Empty: none was given. */
  readonly host: string;
  readonly port: number;
  /** Whether whoever connects must show who it is, by a certificate or by SASL. */
  readonly authenticates: boolean;
}

export interface PermittedListener {
  readonly name: string;
  readonly securityProtocol: SecurityProtocol;
  readonly host: string;
  readonly port: number;
}

/** Our own setting; Kafka has none like it. */
export const ALLOW_INSECURE_LISTENERS = 'allow.insecure.listeners';
const LOOPBACK = '127.0.0.1';
const EVERY_ADDRESS = '0.0.0.0';

/** What each protocol lacks, or how what it has is turned on. */
const HOW_TO_AUTHENTICATE: Readonly<Record<SecurityProtocol, string>> = {
  PLAINTEXT: 'use SSL or SASL_SSL',
  SSL: 'set ssl.client.auth=required, or use SASL_SSL',
  SASL_PLAINTEXT: 'set sasl.enabled.mechanisms',
  SASL_SSL: 'set sasl.enabled.mechanisms',
};

/** The listeners as they may be opened, or what is wrong with them, one sentence each. */
export function permitListeners(
  requested: readonly RequestedListener[],
  options: { readonly allowInsecure: boolean },
): { readonly listeners: readonly PermittedListener[]; readonly errors: readonly string[] } {
  const errors: string[] = [];
  const listeners: PermittedListener[] = [];
  for (const { name, securityProtocol, host, port, authenticates } of requested) {
    const mayBeReached = authenticates || options.allowInsecure;
    const at = host === '' ? (mayBeReached ? EVERY_ADDRESS : LOOPBACK) : host;
    if (!isLoopback(at) && !mayBeReached) {
      errors.push(
        `listeners: ${name}://${at}:${port} can be reached from other machines without authentication; ` +
          `listen on ${LOOPBACK}, or ${HOW_TO_AUTHENTICATE[securityProtocol]}, ` +
          `or set ${ALLOW_INSECURE_LISTENERS}=true if everyone who reaches this port may do everything`,
      );
      continue;
    }
    listeners.push({ name, securityProtocol, host: at, port });
  }
  return { listeners, errors };
}

/** Whether a socket that is bound to it takes connections for every address of the machine. */
export function isEveryAddress(host: string): boolean {
  return host === EVERY_ADDRESS || host === '::' || host === '';
}

/** True for addresses that only this machine can reach. Other names than localhost are not resolved, and count as not. */
export function isLoopback(host: string): boolean {
  const plain = host.toLowerCase();
  if (plain === 'localhost' || plain === '::1' || plain === '0:0:0:0:0:0:0:1') return true;
  return /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain);
}
