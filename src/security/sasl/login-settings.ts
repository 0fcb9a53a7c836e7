/**
 * The users of PLAIN, as Kafka's JAAS settings of a listener's mechanism name them:
 *
 *     org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret" user_bob="other";
 *
 * `username` and `password`, with which Kafka's brokers log in at each other, are read and not used: brokers of Headrace know
 * each other by the cluster's secret.
 */

export const PLAIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const FLAGS = new Set(['required', 'requisite', 'sufficient', 'optional']);
const USER = 'user_';
const LENGTH_MAX = 1024 * 1024;

export type LoginSettings =
  | { readonly ok: true; readonly passwords: ReadonlyMap<string, string> }
  /** The message holds nothing of what was set. */
  | { readonly ok: false; readonly message: string };

const WORD = /\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"=;]+)|([=;]))/y;

interface Token {
  readonly text: string;
  readonly isSign: boolean;
}

export function parsePlainLogin(text: string): LoginSettings {
  const refuse = (message: string): LoginSettings => ({ ok: false, message });
  if (text.length > LENGTH_MAX) return refuse(`it is longer than ${LENGTH_MAX} characters`);
  const tokens = tokensOf(text);
  if (tokens === undefined) return refuse('a quotation mark is missing');
  const [module, flag] = tokens;
  if (module?.text !== PLAIN_MODULE) return refuse(`it must begin with ${PLAIN_MODULE}`);
  if (flag === undefined || !FLAGS.has(flag.text.toLowerCase()))
    return refuse('the second word must be required');
  const passwords = new Map<string, string>();
  let position = 2;
  while (!isSign(tokens[position], ';')) {
    const [name, equals, value] = tokens.slice(position, position + 3);
    if (name === undefined) return refuse('it must end with a semicolon');
    if (name.isSign || !isSign(equals, '=') || value === undefined || value.isSign) {
      return refuse(`option ${(position - 2) / 3 + 1} is not of the form name="value"`);
    }
    position += 3;
    if (!name.text.startsWith(USER)) continue;
    const user = name.text.slice(USER.length);
    if (user === '' || value.text === '') return refuse('a user without a name, or without a password');
    if (passwords.has(user)) return refuse('a user occurs twice');
    passwords.set(user, value.text);
  }
  if (position !== tokens.length - 1) return refuse('there is something after the semicolon');
  return { ok: true, passwords };
}

function isSign(token: Token | undefined, sign: string): boolean {
  return token?.isSign === true && token.text === sign;
}

/** Undefined: a quotation mark is left open. */
function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const word = new RegExp(WORD);
  const end = text.trimEnd().length;
  while (word.lastIndex < end) {
    const match = word.exec(text);
    if (match === null) return undefined;
    const [, quoted, bare, sign] = match;
    if (sign !== undefined) tokens.push({ text: sign, isSign: true });
    else tokens.push({ text: bare ?? quoted!.replace(/\\(.)/g, '$1'), isSign: false });
  }
  return tokens;
}
