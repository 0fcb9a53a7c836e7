/** What SASL mechanisms have in common, seen from the server: a few steps, each a message from the client and an answer. */

/** Messages in either direction are smaller. */
export const SASL_STEP_BYTES_MAX = 64 * 1024;

export type SaslStep =
  /** The client has another message to send. */
  | { readonly kind: 'continue'; readonly answer: Buffer }
  | { readonly kind: 'done'; readonly answer: Buffer; readonly user: string }
  /** `message` is for the client, in Kafka's words, and tells nobody whether there is such a user. */
  | { readonly kind: 'failed'; readonly message: string };

export interface SaslExchange {
  /** Not to be called again after `done` or `failed`. */
  step(message: Buffer): SaslStep;
}
