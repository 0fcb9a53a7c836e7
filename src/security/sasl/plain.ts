/**
 * PLAIN (RFC 4616): the client sends user and password, so the connection must keep them secret. The users are those of the
 * listener's login settings.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { SASL_STEP_BYTES_MAX, type SaslExchange, type SaslStep } from './exchange.ts';

const INVALID: SaslStep = { kind: 'failed', message: 'Authentication failed: Invalid username or password' };
const NOTHING = Buffer.alloc(0);
/** Any: what is compared by it is of one length whatever the passwords are. */
const COMPARISON_KEY = 'PLAIN';

/** `passwordOf` tells what is set now. */
export function plainExchange(passwordOf: (user: string) => string | undefined): SaslExchange {
  return {
    step(message) {
      if (message.length > SASL_STEP_BYTES_MAX) return INVALID;
      const [authorization, user, password, ...rest] = message.toString('utf8').split('\0');
      if (user === undefined || password === undefined || rest.length > 0) {
        return { kind: 'failed', message: 'Invalid SASL/PLAIN response: expected 3 tokens' };
      }
      if (user === '') return { kind: 'failed', message: 'Authentication failed: username not specified' };
      if (password === '')
        return { kind: 'failed', message: 'Authentication failed: password not specified' };
      const expected = passwordOf(user);
      // As long for a user who does not exist.
      const isRight = isEqual(password, expected ?? '');
      if (!isRight || expected === undefined) return INVALID;
      if (authorization !== '' && authorization !== user) {
        const message =
          'Authentication failed: Client requested an authorization id that is different from username';
        return { kind: 'failed', message };
      }
      return { kind: 'done', answer: NOTHING, user };
    },
  };
}

function isEqual(said: string, expected: string): boolean {
  const [a, b] = [said, expected].map((text) => createHmac('sha256', COMPARISON_KEY).update(text).digest());
  return timingSafeEqual(a!, b!);
}
