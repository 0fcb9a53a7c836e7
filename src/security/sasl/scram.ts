/**
 * SCRAM (RFC 5802, RFC 7677) as servers speak it, without channel binding: the client shows that it knows the password, and the
 * server that it knows what was made of it, and neither sends any of this.
 *
 *     client   n,,n=user,r=nonce              c=biws,r=nonces,p=proof
 *     server   r=nonces,s=salt,i=iterations   v=signature
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { SASL_STEP_BYTES_MAX, type SaslExchange, type SaslStep } from './exchange.ts';

/** Mechanisms by their codes in Kafka's APIs (KIP-554). */
export const SCRAM_MECHANISMS = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 } as const;
export type ScramMechanism = keyof typeof SCRAM_MECHANISMS;
export const ITERATIONS_MIN = 4_096;
/** Kafka's: a client computes them before each connection. */
export const ITERATIONS_MAX = 16_384;

const HASHES = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
const HASH_BYTES = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 } as const;
const SALT_BYTES = 16;

/** What is kept of a password: who has it can let clients in, but cannot come in as one. */
export interface ScramCredential {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

export function isScramMechanism(name: string): name is ScramMechanism {
  return Object.hasOwn(SCRAM_MECHANISMS, name);
}

/** What is kept of the salted password that a client has computed. */
export function credentialOf(
  mechanism: ScramMechanism,
  from: { readonly iterations: number; readonly salt: Buffer; readonly saltedPassword: Buffer },
): ScramCredential {
  const hash = HASHES[mechanism];
  const clientKey = hmac(hash, from.saltedPassword, 'Client Key');
  return {
    iterations: from.iterations,
    salt: Buffer.from(from.salt),
    storedKey: createHash(hash).update(clientKey).digest(),
    serverKey: hmac(hash, from.saltedPassword, 'Server Key'),
  };
}

export interface ScramOptions {
  readonly mechanism: ScramMechanism;
  readonly credentialOf: (user: string) => ScramCredential | undefined;
  /** Printable, without commas, and such that nobody can predict it. */
  readonly nonce: string;
  /** The same for all exchanges of the cluster: what users who do not exist are answered is made of it. */
  readonly decoySecret: Buffer;
}

/** In a value, what a comma or an equals sign would be. */
const VALUE = String.raw`[^,=\0]|=2C|=3D`;
const CLIENT_FIRST = new RegExp(
  String.raw`^(n,(?:a=((?:${VALUE})*))?,)(n=((?:${VALUE})+),r=([\x21-\x2b\x2d-\x7e]+)((?:,[A-Za-z]=[^,]*|,[a-z]+=[^,]*)*))$`,
);
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)),p=([A-Za-z0-9+/=]+)$/;
const NONCE_LENGTH_MAX = 1_024;
/** Kafka's words, and what has cost people hours: those clients repeat their own nonce, which Kafka refuses as well. */
const WRONG_NONCE =
  'Invalid client nonce in the final client message (clients with librdkafka need version 2.6.1 or later)';

export function scramExchange(options: ScramOptions): SaslExchange {
  const { mechanism } = options;
  const failed: SaslStep = {
    kind: 'failed',
    message: `Authentication failed during authentication due to invalid credentials with SASL mechanism ${mechanism}`,
  };
  let first: FirstMessage | undefined;
  return {
    step(message) {
      if (message.length > SASL_STEP_BYTES_MAX) return failed;
      const text = message.toString('utf8');
      if (first === undefined) {
        first = readFirst(text, options);
        return first === undefined ? failed : { kind: 'continue', answer: Buffer.from(first.answer) };
      }
      const final = CLIENT_FINAL.exec(text);
      if (final === null) return failed;
      if (final[3] !== first.nonces) return { kind: 'failed', message: WRONG_NONCE };
      const signature = verify(final, first, options);
      if (signature === undefined) return failed;
      return { kind: 'done', answer: Buffer.from(`v=${signature.toString('base64')}`), user: first.user };
    },
  };
}

interface FirstMessage {
  readonly user: string;
  readonly credential: ScramCredential;
  /** There is no such user; the credential is made up. */
  readonly isDecoy: boolean;
  readonly header: string;
  readonly bare: string;
  readonly nonces: string;
  readonly answer: string;
}

function readFirst(text: string, options: ScramOptions): FirstMessage | undefined {
  const match = CLIENT_FIRST.exec(text);
  if (match === null) return undefined;
  const [, header, authorization, bare, name, clientNonce, extensions] = match;
  // None is known here; Kafka's `tokenauth` is for delegation tokens.
  if (extensions !== '' || clientNonce!.length > NONCE_LENGTH_MAX) return undefined;
  const user = decodeName(name!);
  // Nobody acts for somebody else.
  if (authorization !== undefined && authorization !== '' && decodeName(authorization) !== user)
    return undefined;
  const known = options.credentialOf(user);
  const credential = known ?? decoy(options, user);
  const nonces = clientNonce! + options.nonce;
  const answer = `r=${nonces},s=${credential.salt.toString('base64')},i=${credential.iterations}`;
  return { user, credential, isDecoy: known === undefined, header: header!, bare: bare!, nonces, answer };
}

/** The server's signature; undefined: the client does not know the password. */
function verify(
  [, withoutProof, binding, , proofText]: RegExpExecArray,
  first: FirstMessage,
  { mechanism }: ScramOptions,
): Buffer | undefined {
  if (Buffer.from(binding!, 'base64').toString('utf8') !== first.header) return undefined;
  const proof = Buffer.from(proofText!, 'base64');
  if (proof.length !== HASH_BYTES[mechanism]) return undefined;
  const hash = HASHES[mechanism];
  const { storedKey, serverKey } = first.credential;
  const exchanged = `${first.bare},${first.answer},${withoutProof}`;
  const signature = hmac(hash, storedKey, exchanged);
  const clientKey = Buffer.from(proof.map((byte, index) => byte ^ signature[index]!));
  const isRight = timingSafeEqual(createHash(hash).update(clientKey).digest(), storedKey);
  return isRight && !first.isDecoy ? hmac(hash, serverKey, exchanged) : undefined;
}

/** Always the same for a name, so that asking twice tells nothing. */
function decoy({ mechanism, decoySecret }: ScramOptions, user: string): ScramCredential {
  const made = (what: string): Buffer => hmac(HASHES[mechanism], decoySecret, `${what}\0${user}`);
  return {
    iterations: ITERATIONS_MIN,
    salt: made('salt').subarray(0, SALT_BYTES),
    storedKey: made('stored key'),
    serverKey: made('server key'),
  };
}

function decodeName(name: string): string {
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function hmac(hash: string, key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest();
}
