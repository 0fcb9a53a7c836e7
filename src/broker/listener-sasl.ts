/** What a listener's sasl.* settings come to: the mechanisms that it offers, and an exchange for each connection. */
import { createHmac } from 'node:crypto';
import type { Logger, Random } from '../base/ports.ts';
import { listenerConfigText } from '../metadata/configs/broker-reader.ts';
import { splitList } from '../metadata/configs/parse.ts';
import type { BrokerConfigSources } from '../metadata/configs/resolve.ts';
import type { ClusterImage } from '../metadata/image.ts';
import { BROKER_MECHANISM } from '../security/broker-identity.ts';
import { isLoopback, type PermittedListener } from '../security/listeners.ts';
import type { SaslExchange } from '../security/sasl/exchange.ts';
import { parsePlainLogin } from '../security/sasl/login-settings.ts';
import { plainExchange } from '../security/sasl/plain.ts';
import {
  isScramMechanism,
  SCRAM_MECHANISMS,
  scramExchange,
  type ScramMechanism,
} from '../security/sasl/scram.ts';
import { ConfigurationError } from './start-problem.ts';

export const PLAIN = 'PLAIN';
export const CLIENT_MECHANISMS: readonly string[] = [PLAIN, ...Object.keys(SCRAM_MECHANISMS)];
const NONCE_BYTES = 24;

export interface ListenerSaslOptions {
  readonly sources: () => BrokerConfigSources;
  /** On which brokers show each other who they are. */
  readonly interBrokerListener: string;
  readonly image: ClusterImage;
  readonly random: Random;
  readonly logger: Logger;
}

export class ListenerSasl {
  readonly #options: ListenerSaslOptions;
  readonly #ownSecret: Buffer;

  constructor(options: ListenerSaslOptions) {
    this.#options = options;
    this.#ownSecret = options.random.bytes(NONCE_BYTES);
  }

  /** What clients of the listener may choose from. */
  mechanismsOf(listener: string): readonly string[] {
    return enabled(listener, this.#options.sources()).filter((one) => CLIENT_MECHANISMS.includes(one));
  }

  /** After how long a client must say again who it is; 0: never. In ms. */
  sessionMsOf(listener: string, mechanism: string): number {
    const sources = this.#options.sources();
    const own = listenerConfigText(`${mechanism.toLowerCase()}.connections.max.reauth.ms`, listener, sources);
    return Number(own ?? listenerConfigText('connections.max.reauth.ms', listener, sources) ?? 0);
  }

  /** Undefined: the listener does not offer this mechanism. */
  exchange(listener: string, mechanism: string): SaslExchange | undefined {
    if (!this.mechanismsOf(listener).includes(mechanism)) return undefined;
    if (isScramMechanism(mechanism)) return this.#scram(mechanism);
    const login = parsePlainLogin(plainLogin(listener, this.#options.sources()));
    if (!login.ok)
      this.#options.logger.error({ listener, problem: login.message }, 'nobody can log in by PLAIN');
    return plainExchange((user) => (login.ok ? login.passwords.get(user) : undefined));
  }

  #scram(mechanism: ScramMechanism): SaslExchange {
    const { image, random } = this.#options;
    const code = SCRAM_MECHANISMS[mechanism];
    return scramExchange({
      mechanism,
      credentialOf: (user) => image.scramUsers.get(user)?.find((one) => one.mechanism === code),
      nonce: random.bytes(NONCE_BYTES).toString('base64url'),
      decoySecret: createHmac('sha256', image.interBrokerSecret ?? this.#ownSecret)
        .update('users who do not exist')
        .digest(),
    });
  }
}

/** Throws ConfigurationError. What is set while the broker runs is judged when it is used. */
export function checkSasl(
  listeners: readonly PermittedListener[],
  sources: BrokerConfigSources,
  options: { readonly allowInsecure: boolean; readonly interBrokerListener: string },
): void {
  const problems = listeners
    .filter(({ securityProtocol }) => securityProtocol.startsWith('SASL_'))
    .flatMap((listener) => saslProblems(listener, sources, options));
  if (problems.length > 0) throw new ConfigurationError(problems);
}

function saslProblems(
  { name, host, securityProtocol }: PermittedListener,
  sources: BrokerConfigSources,
  options: { readonly allowInsecure: boolean; readonly interBrokerListener: string },
): string[] {
  const mechanisms = enabled(name, sources);
  const isForBrokers = name === options.interBrokerListener;
  const setting = `sasl.enabled.mechanisms (listener ${name})`;
  const known = isForBrokers ? [...CLIENT_MECHANISMS, BROKER_MECHANISM] : CLIENT_MECHANISMS;
  const problems = mechanisms
    .filter((mechanism) => !known.includes(mechanism))
    .map((mechanism) => `${setting}: ${mechanism} is not offered; choose from ${known.join(', ')}`);
  if (mechanisms.length === 0 && !isForBrokers) {
    problems.push(`${setting}: name at least one of ${known.join(', ')}`);
  }
  if (!mechanisms.includes(PLAIN)) return problems;
  const inTheClear = securityProtocol === 'SASL_PLAINTEXT' && !isLoopback(host) && !options.allowInsecure;
  if (inTheClear) {
    problems.push(
      `${setting}: PLAIN would send passwords in the clear; use SASL_SSL, or another mechanism, ` +
        'or set allow.insecure.listeners=true',
    );
  }
  const login = parsePlainLogin(plainLogin(name, sources));
  if (!login.ok) {
    problems.push(`listener.name.${name.toLowerCase()}.plain.sasl.jaas.config: ${login.message}`);
  }
  return problems;
}

function enabled(listener: string, sources: BrokerConfigSources): string[] {
  return splitList(listenerConfigText('sasl.enabled.mechanisms', listener, sources) ?? '');
}

function plainLogin(listener: string, sources: BrokerConfigSources): string {
  return listenerConfigText('plain.sasl.jaas.config', listener, sources) ?? '';
}
