/**
 * The SASL mechanisms: what a client says to show who it is. A mechanism is a small conversation of tokens; how they travel is
 * for `authenticate.ts`. PLAIN (RFC 4616), SCRAM (RFC 5802, 7677), OAUTHBEARER (RFC 7628, KIP-255), or one of the user's own.
 */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/ports.ts';
import { ownError } from '../errors.ts';

/** One conversation. Each call takes the broker's token and yields the next of ours; undefined: there is nothing to add. */
export interface SaslExchange {
  first(): Buffer | Promise<Buffer>;
  next(challenge: Buffer): Buffer | undefined | Promise<Buffer | undefined>;
}

/** A mechanism of one's own, for example for GSSAPI or a cloud's signatures. */
export interface SaslMechanism {
  /** As brokers name it in sasl.enabled.mechanisms. */
  readonly mechanism: string;
  /** Begins a conversation; one for each connection, and one more each time a session ends (KIP-368). */
  start(context: { readonly host: string; readonly port: number; readonly random: Random }): SaslExchange;
}

export interface BearerToken {
  readonly value: string;
  /** SASL extensions (KIP-342). */
  readonly extensions?: Readonly<Record<string, string>>;
}

export type Sasl =
  | { readonly mechanism: 'PLAIN'; readonly username: string; readonly password: string }
  | {
      readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: 'OAUTHBEARER';
      /** Asked for each conversation, so it may hand out a new token each time. */
      readonly token: () => Promise<string | BearerToken> | string | BearerToken;
    }
  | SaslMechanism;

export function mechanismOf(sasl: Sasl): SaslMechanism {
  if ('start' in sasl) return sasl;
  switch (sasl.mechanism) {
    case 'PLAIN':
      return { mechanism: 'PLAIN', start: () => plain(sasl) };
    case 'OAUTHBEARER':
      return { mechanism: 'OAUTHBEARER', start: () => bearer(sasl) };
    default: {
      const { mechanism } = sasl;
      return { mechanism, start: ({ random }) => new Scram(sasl, random) };
    }
  }
}

function plain({ username, password }: { username: string; password: string }): SaslExchange {
  return {
    first: () => Buffer.from(`\0${username}\0${password}`),
    next: () => undefined,
  };
}

function bearer({ token }: Extract<Sasl, { mechanism: 'OAUTHBEARER'; token: unknown }>): SaslExchange {
  return {
    async first() {
      const given = await token();
      const { value, extensions = {} } = typeof given === 'string' ? { value: given } : given;
      const more = Object.entries(extensions).map(([name, text]) => `${name}=${text}\x01`);
      return Buffer.from(`n,,\x01auth=Bearer ${value}\x01${more.join('')}\x01`);
    },
    // A challenge is the reason of a refusal: the client acknowledges it, and the broker then says that it failed.
    next: (challenge) => (challenge.length === 0 ? undefined : Buffer.from('\x01')),
  };
}

/** What a broker may ask of our processor, before it is believed (its `iterations` are 4,096 or more). */
const SCRAM_ITERATIONS_MAX = 200_000;
const SCRAM_ITERATIONS_MIN = 4_096;
const NONCE_BYTES = 24;

class Scram implements SaslExchange {
  readonly #hash: 'sha256' | 'sha512';
  readonly #username: string;
  readonly #password: string;
  readonly #nonce: string;
  #serverSignature: Buffer | undefined;
  #isDone = false;

  constructor(
    sasl: { readonly mechanism: string; readonly username: string; readonly password: string },
    random: Random,
  ) {
    this.#hash = sasl.mechanism === 'SCRAM-SHA-512' ? 'sha512' : 'sha256';
    this.#username = sasl.username.replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#password = sasl.password;
    this.#nonce = random.bytes(NONCE_BYTES).toString('base64url');
  }

  first(): Buffer {
    return Buffer.from(`n,,${this.#bare()}`);
  }

  next(challenge: Buffer): Buffer | undefined {
    if (this.#isDone) return undefined;
    const text = challenge.toString('utf8');
    const fields = new Map(text.split(',').map((field) => [field[0], field.slice(2)]));
    if (fields.has('e')) throw refused(`the broker says ${fields.get('e')}`);
    if (this.#serverSignature !== undefined) {
      this.#checkServer(fields.get('v'));
      this.#isDone = true;
      return undefined;
    }
    const [nonce, salt, iterations] = [fields.get('r'), fields.get('s'), Number(fields.get('i'))];
    if (nonce === undefined || salt === undefined || !nonce.startsWith(this.#nonce)) {
      throw refused("the broker's first SCRAM message is not an answer to ours");
    }
    if (
      !Number.isInteger(iterations) ||
      iterations < SCRAM_ITERATIONS_MIN ||
      iterations > SCRAM_ITERATIONS_MAX
    ) {
      throw refused(`the broker asks for ${fields.get('i')} iterations`);
    }
    const final = `c=biws,r=${nonce}`;
    const signed = `${this.#bare()},${text},${final}`;
    const digestBytes = this.#hash === 'sha256' ? 32 : 64;
    const salted = pbkdf2Sync(
      this.#password,
      Buffer.from(salt, 'base64'),
      iterations,
      digestBytes,
      this.#hash,
    );
    const clientKey = this.#hmac(salted, 'Client Key');
    const storedKey = createHash(this.#hash).update(clientKey).digest();
    const proof = this.#hmac(storedKey, signed);
    for (let at = 0; at < proof.length; at++) proof[at]! ^= clientKey[at]!;
    this.#serverSignature = this.#hmac(this.#hmac(salted, 'Server Key'), signed);
    return Buffer.from(`${final},p=${proof.toString('base64')}`);
  }

  #bare(): string {
    return `n=${this.#username},r=${this.#nonce}`;
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest();
  }

  #checkServer(signature: string | undefined): void {
    const given = Buffer.from(signature ?? '', 'base64');
    const expected = this.#serverSignature!;
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw refused('the broker does not know the password either');
    }
  }
}

function refused(message: string): Error {
  return ownError('INVALID_ANSWER', `SCRAM: ${message}`, { fatal: true });
}
