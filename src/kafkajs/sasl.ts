/** KafkaJS's ways to say who one is, as mechanisms of headrace/client. */
import type { Sasl, SaslExchange, SaslMechanism } from '../client/connection/sasl.ts';
import { KafkaJSNonRetriableError, KafkaJSSASLAuthenticationError } from './errors.ts';
import type { Logger, Mechanism, SaslAuthenticateArgs, SASLOptions } from './types.ts';

/** Throws KafkaJSNonRetriableError for what makes no mechanism. */
export function saslOf(options: SASLOptions | Mechanism, logger: Logger): Sasl {
  if ('authenticationProvider' in options) return customMechanism(options, logger);
  const { mechanism } = options;
  switch (mechanism.toLowerCase()) {
    case 'plain':
    case 'scram-sha-256':
    case 'scram-sha-512': {
      const { username, password } = options as { username?: string; password?: string };
      if (username === undefined || password === undefined) {
        throw new KafkaJSSASLAuthenticationError(`SASL ${mechanism}: Invalid username or password`);
      }
      const name = mechanism.toUpperCase();
      if (name === 'PLAIN') return { mechanism: name, username, password };
      return { mechanism: name as 'SCRAM-SHA-256' | 'SCRAM-SHA-512', username, password };
    }
    case 'oauthbearer': {
      const { oauthBearerProvider } = options as Extract<SASLOptions, { mechanism: 'oauthbearer' }>;
      if (typeof oauthBearerProvider !== 'function') {
        throw new KafkaJSSASLAuthenticationError('SASL OAUTHBEARER: Missing OAuth bearer token provider');
      }
      return { mechanism: 'OAUTHBEARER', token: oauthBearerProvider };
    }
    case 'aws':
      return awsMechanism(options as Extract<SASLOptions, { mechanism: 'aws' }>);
    default:
      throw new KafkaJSNonRetriableError(`SASL mechanism ${mechanism} is not supported`);
  }
}

/** The AWS mechanism that brokers get by a plug-in: four fields with zeros between them. */
function awsMechanism(options: Extract<SASLOptions, { mechanism: 'aws' }>): SaslMechanism {
  const { authorizationIdentity, accessKeyId, secretAccessKey, sessionToken = '' } = options;
  const token = [authorizationIdentity, accessKeyId, secretAccessKey, sessionToken].join('\0');
  return {
    mechanism: 'AWS',
    start: () => ({ first: () => Buffer.from(token), next: () => undefined }),
  };
}

function customMechanism({ mechanism, authenticationProvider }: Mechanism, logger: Logger): SaslMechanism {
  return {
    mechanism: mechanism.toUpperCase(),
    start({ host, port }) {
      const exchange = new TurnedExchange();
      const own = logger.namespace(`SASL${mechanism.toUpperCase()}Authenticator`);
      const { authenticate } = authenticationProvider({
        host,
        port,
        logger: own,
        saslAuthenticate: (args) => exchange.send(args),
      });
      return exchange.begin(authenticate);
    },
  };
}

const LENGTH_BYTES = 4;

/**
 * An exchange whose user asks, turned into one that is asked: the authenticator calls `send` and waits, the connection calls
 * `first` and `next`.
 */
class TurnedExchange {
  /** What the connection waits for: the next token, or undefined when the authenticator is done. */
  #token = Promise.withResolvers<Buffer | undefined>();
  /** What the authenticator waits for. */
  #challenge = Promise.withResolvers<Buffer>();

  begin(authenticate: () => Promise<void>): SaslExchange {
    return {
      first: async () => {
        void Promise.resolve()
          .then(authenticate)
          .then(
            () => this.#token.resolve(undefined),
            (error: unknown) => this.#token.reject(new KafkaJSSASLAuthenticationError(error as Error)),
          );
        return (await this.#next()) ?? Buffer.alloc(0);
      },
      next: (bytes) => {
        const waiting = this.#challenge;
        this.#challenge = Promise.withResolvers();
        waiting.resolve(bytes);
        return this.#next();
      },
    };
  }

  async send<T>({ request, response }: SaslAuthenticateArgs<T>): Promise<T | void> {
    const encoded = await request.encode();
    const answered = this.#challenge.promise;
    this.#token.resolve(encoded.subarray(LENGTH_BYTES));
    const bytes = await answered;
    if (response === undefined) return undefined;
    const framed = Buffer.alloc(LENGTH_BYTES + bytes.length);
    framed.writeInt32BE(bytes.length);
    bytes.copy(framed, LENGTH_BYTES);
    return response.parse(await response.decode(framed));
  }

  async #next(): Promise<Buffer | undefined> {
    const token = await this.#token.promise;
    this.#token = Promise.withResolvers();
    return token;
  }
}
